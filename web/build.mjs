// Bundles the page's script, with the charting library, into the one file that ships.
import { build } from "esbuild";

await build({
  entryPoints: ["src/page.ts"],
  outfile: "../src/encore/report/assets/page.js",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  banner: {
    js: "// Built from web/ by `make page`. Holds Observable Plot and parts of D3 (ISC): see LICENSES.txt.",
  },
});
