// Writes one HTML file for each sample run, as the HTML report is, with the same content security policy.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { samples } from "./samples.mjs";

const bundle = readFileSync(new URL("../../inithealth/tensorboard/page/index.js", import.meta.url), "utf8");

export function pageOf(data) {
  const hash = createHash("sha256").update(bundle).digest("base64");
  const policy = `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; img-src data:`;
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><title>Init Health</title></head><body><script type="application/json" id="init-health-data">${json}</script><script type="module">${bundle}</script></body></html>`;
}

export function writePages(folder, only = null) {
  mkdirSync(folder, { recursive: true });
  for (const [name, sample] of Object.entries(samples)) {
    if (only === null || only.includes(name)) writeFileSync(`${folder}/${name}.html`, pageOf(sample()));
  }
}

if (process.argv[1]?.endsWith("pages.mjs"))
  writePages(process.argv[2] ?? "shots", process.argv.length > 3 ? process.argv.slice(3) : null);
