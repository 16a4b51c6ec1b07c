// The sample runs for scripts, which Node cannot import as TypeScript.

import { build } from "esbuild";

const entry = new URL("./sample.ts", import.meta.url).pathname;
const result = await build({
  entryPoints: [entry],
  bundle: true,
  write: false,
  format: "esm",
  platform: "node",
});
const module = await import(
  `data:text/javascript;base64,${Buffer.from(result.outputFiles[0].contents).toString("base64")}`
);

export const samples = module.SAMPLES;
