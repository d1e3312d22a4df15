// Bundles the page's script and the charting library into FOLDER/page.js, and the licences of what
// the bundle contains into FOLDER/LICENSES.txt: node build.mjs FOLDER

import { build } from "esbuild";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const folder = process.argv[2];
const { metafile } = await build({
  entryPoints: ["src/page.ts"],
  outfile: `${folder}/page.js`,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  banner: { js: "// Built from web/ by `make script`; LICENSES.txt names what it holds." },
});

const [output] = Object.values(metafile.outputs);
const packages = Object.entries(output.inputs)
  .filter(([path, { bytesInOutput }]) => bytesInOutput > 0 && path.startsWith("node_modules/"))
  .map(([path]) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)[1]);
const licences = new Map();
for (const name of [...new Set(packages)].sort()) {
  const file = readdirSync(`node_modules/${name}`).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name} states no licence`);
  const text = readFileSync(`node_modules/${name}/${file}`, "utf8").trim();
  licences.set(text, [...(licences.get(text) ?? []), name]);
}
const parts = [...licences].map(([text, names]) => `${names.join(", ")}\n\n${text}\n`);
writeFileSync(`${folder}/LICENSES.txt`, parts.join(`\n${"-".repeat(78)}\n\n`));
