// A server that behaves like TensorBoard for the page: an outer document with the tab's iframe, and the endpoints.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { samples } from "./samples.mjs";

const bundle = new URL("../../inithealth/tensorboard/page/index.js", import.meta.url);
const BASE = "/data/plugin/init_health/";
const OUTER = `<!doctype html><html lang="en"><head><title>TensorBoard</title></head><body style="margin:0"><iframe name="plugin" title="Init Health" src="/data/plugin_entry.html" style="border:0;width:100vw;height:100vh;display:block"></iframe></body></html>`;
const ENTRY = `<!doctype html><head><base href="plugin/init_health/"></head><body><script type="module" src="/entry.js"></script></body>`;
const ENTRY_SCRIPT = `const module = await import("${BASE}index.js"); await module.render();`;
const POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'";

const NAMES = {
  "mlp/small weights": "mlp",
  "gpt/large projection": "gpt_fault",
  "residual/healthy": "residual",
  "conv/nan": "nan",
};

/** Starts it on a free port. */
export async function serve(port = 0) {
  const requests = [];
  const started = Date.now();
  const server = createServer((request, response) => {
    requests.push(request.url);
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const send = (type, body) =>
      response.writeHead(200, { "content-type": type, "content-security-policy": POLICY }).end(body);
    if (pathname === "/") send("text/html", OUTER);
    else if (pathname === "/data/plugin_entry.html") send("text/html", ENTRY);
    else if (pathname === "/entry.js") send("text/javascript", ENTRY_SCRIPT);
    else if (pathname === `${BASE}index.js`) send("text/javascript", readFileSync(bundle));
    else if (pathname === `${BASE}runs`) send("application/json", JSON.stringify(list()));
    else if (pathname === `${BASE}run`)
      send("application/json", JSON.stringify(run(searchParams, Date.now() - started)));
    else response.writeHead(204).end();
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, requests, close: () => server.close() };
}

function list() {
  const names = [...Object.keys(NAMES), "mlp/fixed", "live", "unreadable"];
  const entry = (name) => {
    const data = NAMES[name] ? samples[NAMES[name]]() : { lastStep: 0, healthy: null, verdict: "" };
    return { run: name, lastStep: data.lastStep, healthy: data.healthy, verdict: data.verdict };
  };
  return { runs: names.map(entry), message: null };
}

function run(parameters, age) {
  const name = parameters.get("run");
  if (name === "unreadable") return { message: "The event file is cut off after 12 bytes." };
  if (name === "live") return cut({ ...samples.residual(), run: "live" }, parameters.get("from"), age);
  if (name === "mlp/fixed") return fixed();
  return NAMES[name] ? { ...samples[NAMES[name]](), run: name } : { message: `There is no run ${name}.` };
}

/** A run that has ten steps at first and fifteen after two seconds of being watched. */
function cut(data, from) {
  const [start, end] = from === null ? [0, 10] : [Number(from), 15];
  return {
    ...data,
    steps: data.steps.slice(start, end),
    values: mapped(data, (numbers) =>
      numbers.subarray(start * data.layers.length, Math.max(start, end) * data.layers.length),
    ),
  };
}

function fixed() {
  const data = samples.mlp();
  const healthy = (numbers, name) =>
    name.endsWith("_off")
      ? numbers.map((value, index) => value * 0.1 + Math.sin(index) * 0.2)
      : numbers.map((_, index) => 1.2 + 0.2 * Math.sin(index));
  return {
    ...data,
    run: "mlp/fixed",
    healthy: true,
    verdict: "healthy",
    errors: 0,
    findings: [],
    values: mapped(data, healthy),
  };
}

function mapped(data, change) {
  const decoded = (text) => new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);
  const encoded = (numbers) => Buffer.from(new Float32Array(numbers).buffer).toString("base64");
  return Object.fromEntries(
    Object.entries(data.values).map(([name, text]) => [name, encoded(change(decoded(text), name))]),
  );
}

if (process.argv[1]?.endsWith("server.mjs")) console.log((await serve(Number(process.argv[2] ?? 6007))).url);
