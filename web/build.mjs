// Bundles the page's script, with the charting library, into one file: node build.mjs FILE
import { build } from "esbuild";

await build({
  entryPoints: ["src/page.ts"],
  outfile: process.argv[2],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  banner: {
    js: "// Built from web/ by `make script`. Holds Observable Plot and parts of D3 (ISC): see LICENSES.txt.",
  },
});
