// Parts of the sample runs: layers, and numbers that follow from a distance in octaves.

import type { FindingData, LayerData, RunData, Statistic } from "../src/data/contract.ts";

/** A random generator with a seed, so that pictures and tests are the same on every machine. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function layerOf(name: string, kind: string, more: Partial<LayerData> = {}): LayerData {
  const types: Record<string, string> = {
    linear: "Linear",
    conv: "Conv2d",
    norm: "LayerNorm",
    embedding: "Embedding",
  };
  return {
    ...{
      name,
      module: name,
      kind,
      type: types[kind] ?? "Module",
      place: name.replace(/\d+\.?/g, ""),
      shape: [256, 256],
    },
    ...{ scheme: "kaiming normal", std: 0.088, wantedStd: 0.088, activation: null, feeds: "activation" },
    ...{
      bypassable: false,
      readsTrunk: false,
      endsBranch: false,
      readsNorm: false,
      head: false,
      zeroStart: false,
    },
    source: "model.py:42",
    ...more,
  };
}

export function findingOf(more: Partial<FindingData>): FindingData {
  return {
    ...{
      key: `${more.code} ${more.layers?.[0]}`,
      explainedBy: null,
      role: "cause",
      code: "IH106",
      rule: "weight-scale",
    },
    ...{
      severity: "error",
      suppressed: null,
      layers: [],
      message: "",
      cause: "",
      fix: "",
      measured: null,
      limit: null,
    },
    ...{ source: null, step: 0, opened: 0, worsened: [], closed: null },
    ...more,
  };
}

/** Distances in octaves at a step (index) and layer; Infinity: not finite, -Infinity: zero, NaN: not measured. */
export interface Distances {
  forward(step: number, layer: number): number;
  gradient(step: number, layer: number): number;
  gain(step: number, layer: number): number;
}

type Levels = (layer: number) => number;

export function valuesOf(
  steps: number,
  layers: number,
  distances: Distances,
  level: Levels,
  random: () => number,
): Record<Statistic, string> {
  const fill = (value: (step: number, layer: number) => number) => {
    const numbers = new Float32Array(steps * layers);
    for (let step = 0; step < steps; step++) {
      for (let layer = 0; layer < layers; layer++) numbers[step * layers + layer] = value(step, layer);
    }
    return numbers;
  };
  const off = {
    forward_off: fill(distances.forward),
    gradient_off: fill(distances.gradient),
    gain_off: fill(distances.gain),
  };
  const scaled = (numbers: Float32Array, base: Levels) =>
    fill((step, layer) => 2 ** (numbers[step * layers + layer] + base(layer)));
  return {
    forward: encoded(scaled(off.forward_off, level)),
    gradient: encoded(scaled(off.gradient_off, () => -3)),
    gain: encoded(scaled(off.gain_off, () => 0.2)),
    update: encoded(fill((step) => (step === 0 ? Number.NaN : 10 ** (-2.8 + random() - step / 300)))),
    dead: encoded(fill(() => random() * 0.1)),
    forward_off: encoded(off.forward_off),
    gradient_off: encoded(off.gradient_off),
    gain_off: encoded(off.gain_off),
  };
}

export function encoded(numbers: Float32Array): string {
  return Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString("base64");
}

export function documentOf(model: string, layers: LayerData[], more: Partial<RunData>): RunData {
  const findings = more.findings ?? [];
  const causes = findings.filter((finding) => finding.role === "cause" && finding.suppressed === null);
  const amount = (severity: string) => causes.filter((cause) => cause.severity === severity).length;
  const [errors, warnings, infos] = ["error", "warning", "info"].map(amount);
  const parts = [
    errors && `${errors} error${errors > 1 ? "s" : ""}`,
    warnings && `${warnings} warning${warnings > 1 ? "s" : ""}`,
  ];
  return {
    ...{ version: 1, run: "", model, healthy: errors === 0, errors, warnings, infos, layers, findings },
    verdict: errors ? `unhealthy: ${parts.filter(Boolean).join(", ")}` : "healthy",
    ...{
      optimizer: "AdamW(lr=0.0003)",
      exact: false,
      lastStep: 99,
      steps: [0],
      values: {},
      expected: {},
      theory: [],
    },
    notMeasured: [],
    notes: [
      "loss: cross-entropy at 2.31, as expected for 10 classes",
      "a sample of 65,536 elements per tensor was read",
    ],
    skipped: [],
    versions: { inithealth: "0.9.0", torch: "2.14.1", python: "3.11.9" },
    ...{ lacks: [], thinned: null, trunk: { normalized: false, branches: 0 } },
    reference: {
      forward: "the input's rms 1, carried on by each layer's expected gain",
      gradient: "the median of similar layers",
    },
    ...more,
  };
}
