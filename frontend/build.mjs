// Bundles the page to one module, which Python serves and inlines. The same sources give the same bytes.

import { build } from "esbuild";

const result = await build({
  entryPoints: ["src/main.tsx"],
  outfile: "../inithealth/tensorboard/page/index.js",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "ascii", // the HTML report may be served with any encoding
  legalComments: "none",
  loader: { ".css": "text" },
  jsx: "automatic",
  jsxImportSource: "preact",
  plugins: [minifiedCss()],
  metafile: true,
});

const [[file, { bytes }]] = Object.entries(result.metafile.outputs);
console.log(`${file}: ${(bytes / 1000).toFixed(1)} kB`);
if (bytes > 400_000) throw new Error("the bundle is larger than 400 kB");

function minifiedCss() {
  return {
    name: "minified-css",
    setup(builder) {
      builder.onLoad({ filter: /\.css$/ }, async ({ path }) => {
        const css = await build({ entryPoints: [path], minify: true, write: false });
        return { contents: css.outputFiles[0].text.trim(), loader: "text" };
      });
    },
  };
}
