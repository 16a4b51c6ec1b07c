// Sample runs for tests and screenshots. They are synthetic: their layout is that of real runs, their values are not.

import type { LayerData, RunData } from "../src/data/contract.ts";
import { type Distances, documentOf, encoded, findingOf, layerOf, randomOf, valuesOf } from "./network.ts";

type Random = () => number;

const steps = (count: number) => Array.from({ length: count }, (_, index) => index);

function healthyDistances(random: Random): Distances {
  const wobble = () => (random() - 0.5) * 0.8;
  return { forward: wobble, gradient: wobble, gain: wobble };
}

function residualLayers(blocks: number): LayerData[] {
  const block = (index: number) => [
    layerOf(`blocks.${index}.norm`, "norm", {
      bypassable: true,
      readsTrunk: true,
      shape: [256],
      scheme: "constant 1",
      feeds: "linear",
    }),
    layerOf(`blocks.${index}.fc1`, "linear", {
      bypassable: true,
      readsNorm: true,
      activation: "gelu",
      shape: [1024, 256],
    }),
    layerOf(`blocks.${index}.fc2`, "linear", {
      bypassable: true,
      endsBranch: true,
      feeds: "residual sum",
      wantedStd: null,
      shape: [256, 1024],
    }),
  ];
  return [
    layerOf("stem", "linear", { feeds: "residual sum", wantedStd: null }),
    ...steps(blocks).flatMap(block),
    layerOf("norm", "norm", { shape: [256], feeds: "linear", scheme: "constant 1" }),
    layerOf("head", "linear", {
      head: true,
      feeds: "loss",
      wantedStd: null,
      shape: [10, 256],
      readsNorm: true,
    }),
  ];
}

/** A residual network that trains well: 48 layers. */
export function residual(): RunData {
  const layers = residualLayers(15);
  const random = randomOf(1);
  const level = (layer: number) => (layers[layer].kind === "norm" ? 0 : 0.4 + layer * 0.02);
  return documentOf("ResidualMLP", layers, {
    ...{ run: "residual/healthy", steps: steps(100), lastStep: 99 },
    values: valuesOf(100, layers.length, healthyDistances(random), level, random),
    expected: { forward: layers.map((_, layer) => level(layer)) },
    theory: layers.map((_, layer) => level(layer) + (random() - 0.5) * 0.3),
    trunk: { normalized: true, branches: 15 },
    notMeasured: [
      "attention logits: the model has no attention",
      "dead units: fewer than 32 samples in the batch",
    ],
  });
}

const BAD = [20, 25];

/** A plain network of 48 layers, six of them with a weight that is too small. */
export function mlp(): RunData {
  const random = randomOf(2);
  const bad = (layer: number) => layer >= BAD[0] && layer <= BAD[1];
  const std = (layer: number) => (bad(layer) ? 0.03 : 0.088);
  const layers = steps(48).map((index) =>
    layerOf(`layers.${index}`, "linear", {
      activation: index < 47 ? "relu" : null,
      std: std(index),
      scheme: bad(index) ? "normal 0.03" : "kaiming normal",
      feeds: index < 47 ? "relu" : "loss",
      head: index === 47,
    }),
  );
  const lost = (layer: number) => -1.5 * Math.max(0, Math.min(6, layer - BAD[0] + 1));
  const noise = () => (random() - 0.5) * 0.5;
  const distances: Distances = {
    forward: (step, layer) => lost(layer) + noise() + Math.min(1.6, step / 30) * (layer > 25 ? 1 : 0),
    gradient: (step, layer) => lost(BAD[1] - layer + BAD[0]) + noise() - (layer < 20 ? step / 60 : 0),
    gain: (_, layer) => (bad(layer) ? -1.5 : 0) + noise(),
  };
  const level = (layer: number) => 0.3 + layer * 0.004;
  return documentOf("MLP", layers, {
    ...{ run: "mlp/small weights", steps: steps(60), lastStep: 59, optimizer: "SGD(lr=0.01)" },
    values: valuesOf(60, 48, distances, level, random),
    expected: { forward: layers.map((_, layer) => level(layer)) },
    theory: layers.map((_, layer) => level(layer) + lost(layer)),
    findings: mlpFindings(layers),
  });
}

/** The first step of the same network, whose fix was tried and clears the finding. */
export function fixed(): RunData {
  const data = mlp();
  const random = randomOf(7);
  const level = (layer: number) => 0.3 + layer * 0.004;
  const levels = data.layers.map((_, layer) => level(layer));
  const first = (text?: string) => {
    const bytes = Uint8Array.from(Buffer.from(text ?? "", "base64"));
    return encoded(new Float32Array(bytes.buffer).slice(0, data.layers.length));
  };
  return {
    ...{ ...data, run: "mlp/fixed", steps: [0], lastStep: 0 },
    values: Object.fromEntries(Object.entries(data.values).map(([name, text]) => [name, first(text)])),
    findings: data.findings.map((finding) =>
      finding.role === "cause"
        ? { ...finding, verified: "clears", verification: "the fix clears this finding" }
        : finding,
    ),
    fixed: {
      values: valuesOf(1, data.layers.length, healthyDistances(random), level, random),
      expected: { forward: levels },
      theory: levels,
    },
  };
}

function mlpFindings(layers: LayerData[]) {
  const key = "IH106 layers.20";
  const names = layers.map((layer) => layer.module);
  return [
    findingOf({
      ...{ key, layers: names.slice(20, 26), measured: 0.03, limit: 0.044, source: "model.py:42" },
      message: "layers.20 … layers.25: weights 2.9x too small (std 0.03; kaiming normal is 0.088)",
      cause:
        "each of these 6 layers multiplies the signal by 0.48 where relu expects 1.41, and the gradient likewise",
      fix: 'for i in range(20, 26):\n    nn.init.kaiming_normal_(model.layers[i].weight, nonlinearity="relu")',
    }),
    findingOf({
      ...{
        key: "IH201 layers.26",
        role: "consequence",
        explainedBy: key,
        code: "IH201",
        rule: "vanishing-activations",
      },
      ...{
        severity: "warning",
        layers: names.slice(26),
        message: "activations fall to 0.002 times the input's rms (1) at layers.47",
      },
    }),
    findingOf({
      ...{
        key: "IH301 layers.0",
        role: "consequence",
        explainedBy: key,
        code: "IH301",
        rule: "vanishing-gradients",
      },
      ...{
        severity: "warning",
        layers: names.slice(0, 20),
        message: "gradients are 500 times smaller in layers.0 than in layers.47",
      },
    }),
  ];
}

function gptLayers(blocks: number): LayerData[] {
  const block = (index: number): LayerData[] => {
    const at = `transformer.h.${index}`;
    const inside = { bypassable: true };
    return [
      layerOf(`${at}.ln_1`, "norm", { ...inside, readsTrunk: true, shape: [384], scheme: "constant 1" }),
      layerOf(`${at}.attn.c_attn`, "linear", {
        ...inside,
        readsNorm: true,
        feeds: "attention",
        shape: [1152, 384],
        scheme: "normal 0.02",
      }),
      layerOf(`${at}.attn.c_proj`, "linear", {
        ...inside,
        endsBranch: true,
        feeds: "residual sum",
        scheme: "GPT's scaling by depth",
      }),
      layerOf(`${at}.ln_2`, "norm", { ...inside, readsTrunk: true, shape: [384], scheme: "constant 1" }),
      layerOf(`${at}.mlp.c_fc`, "linear", {
        ...inside,
        readsNorm: true,
        activation: "gelu",
        shape: [1536, 384],
      }),
      layerOf(`${at}.mlp.c_proj`, "linear", {
        ...inside,
        endsBranch: true,
        feeds: "residual sum",
        shape: [384, 1536],
      }),
    ];
  };
  return [
    layerOf("transformer.wte", "embedding", { shape: [50257, 384], feeds: "sum", scheme: "normal 0.02" }),
    layerOf("transformer.wpe", "embedding", { shape: [1024, 384], feeds: "sum", scheme: "normal 0.02" }),
    ...steps(blocks).flatMap(block),
    layerOf("transformer.ln_f", "norm", { shape: [384] }),
    layerOf("lm_head", "linear", { head: true, feeds: "loss", shape: [50257, 384] }),
  ];
}

/** A GPT with 12 blocks; healthy, or with weights of one block that are too large. */
export function gpt(isHealthy: boolean): RunData {
  const layers = gptLayers(12);
  const random = randomOf(3);
  const trunk = healthyDistances(random);
  const culprit = layers.findIndex((layer) => layer.name === "transformer.h.5.mlp.c_proj");
  const shift = (layer: number) =>
    isHealthy || layer < culprit
      ? 0
      : layer === culprit
        ? 5
        : layers[layer].readsTrunk || layers[layer].kind !== "norm"
          ? 2.4
          : 0;
  const distances: Distances = {
    forward: (step, layer) =>
      trunk.forward(step, layer) +
      shift(layer) * (layers[layer].kind === "norm" || layers[layer].readsNorm ? 0 : 1),
    gradient: (step, layer) => trunk.gradient(step, layer) - (isHealthy || layer > culprit ? 0 : 2.3),
    gain: (step, layer) => trunk.gain(step, layer) + (!isHealthy && layer === culprit ? 5 : 0),
  };
  const level = (layer: number) =>
    layers[layer].kind === "norm"
      ? 0
      : layers[layer].kind === "embedding"
        ? -5.6
        : layers[layer].endsBranch
          ? -3
          : -1;
  return documentOf("GPT", layers, {
    ...{ run: isHealthy ? "gpt/healthy" : "gpt/large projection", steps: steps(100) },
    values: valuesOf(100, layers.length, distances, level, random),
    expected: { forward: layers.map((_, layer) => level(layer)) },
    theory: layers.map((_, layer) => level(layer) + shift(layer) * (layer === culprit ? 1 : 0)),
    trunk: { normalized: true, branches: 24 },
    findings: isHealthy ? [] : gptFindings(layers, culprit),
  });
}

function gptFindings(layers: LayerData[], culprit: number) {
  const name = layers[culprit].module;
  return [
    findingOf({
      ...{ key: `IH106 ${name}`, layers: [name], measured: 0.64, limit: 0.1, source: "gpt.py:118" },
      message: `${name}: weights 32x too large (std 0.64; its peers have 0.02)`,
      cause:
        "the residual branch adds 32x more than its peers, and the later blocks no longer change the trunk",
      fix: "nn.init.normal_(model.transformer.h[5].mlp.c_proj.weight, std=0.02 / math.sqrt(24))",
    }),
    findingOf({
      ...{
        key: "IH202 trunk",
        role: "consequence",
        explainedBy: `IH106 ${name}`,
        code: "IH202",
        rule: "exploding-activations",
      },
      ...{
        severity: "warning",
        layers: layers.slice(culprit + 1).map((layer) => layer.module),
        message: "the trunk is 5.3x larger from block 5 on",
      },
    }),
    findingOf({
      ...{
        key: "IH112 lm_head",
        code: "IH112",
        rule: "loss-at-init",
        severity: "warning",
        layers: ["lm_head"],
      },
      ...{
        message: "the loss starts at 14.2; a uniform prediction has 10.8",
        cause: "the output's std is 3.1 (limit 1)",
        fix: "nn.init.normal_(model.lm_head.weight, std=0.02)",
      },
    }),
  ];
}

/** A transformer of `blocks` blocks of ten layers, with two causes. */
export function deep(blocks: number, stepCount: number): RunData {
  const random = randomOf(4);
  const inside: [string, Partial<LayerData>][] = [
    ["norm1", { kind: "norm", readsTrunk: true }],
    ["attn.q", { readsNorm: true }],
    ["attn.k", { readsNorm: true }],
    ["attn.v", { readsNorm: true }],
    ["attn.proj", { endsBranch: true }],
    ["norm2", { kind: "norm", readsTrunk: true }],
    ["mlp.fc1", { readsNorm: true }],
    ["mlp.gate", { readsNorm: true }],
    ["mlp.norm", { kind: "norm" }],
    ["mlp.fc2", { endsBranch: true }],
  ];
  const layers = steps(blocks).flatMap((block) =>
    inside.map(([name, more]) =>
      layerOf(`blocks.${block}.${name}`, more.kind ?? "linear", { bypassable: true, ...more }),
    ),
  );
  const [one, two] = [Math.round(blocks * 0.3) * 10, Math.round(blocks * 0.64) * 10 + 1];
  const trunk = healthyDistances(random);
  const forward = (layer: number) => (layer < one ? 0 : layer < two ? 3.2 : -2.4);
  const distances: Distances = {
    forward: (step, layer) => trunk.forward(step, layer) + forward(layer),
    gradient: (step, layer) => trunk.gradient(step, layer) + (layer < one ? -2.5 : layer < two ? -5 : 0),
    gain: (step, layer) => trunk.gain(step, layer) + (layer === one ? 3.2 : layer === two ? -5.6 : 0),
  };
  const findings = [one, two].map((layer, index) =>
    findingOf({
      ...{ layers: [layers[layer].module], source: "vit.py:77", key: `IH106 ${layers[layer].module}` },
      message:
        index === 0
          ? `${layers[layer].module}: output 9x too large`
          : `${layers[layer].module}: weights 48x too small`,
      cause:
        index === 0
          ? "the norm's weight starts at 9, its peers' at 1"
          : "the scaling by depth was applied twice",
      fix:
        index === 0
          ? `nn.init.ones_(model.blocks[${blocks * 0.3}].norm1.weight)`
          : "drop the second scaling in _init_weights",
    }),
  );
  const consequences = findings.map((finding, index) =>
    findingOf({
      ...{ role: "consequence", explainedBy: finding.key, layers: finding.layers, severity: "error" },
      ...(index === 0
        ? {
            code: "IH202",
            rule: "exploding-activations",
            key: "IH202",
            message: "activations grow to 9.2 times the input's rms",
          }
        : {
            code: "IH201",
            rule: "vanishing-activations",
            key: "IH201",
            message: "activations shrink to 0.19 times the input's rms",
          }),
    }),
  );
  return documentOf("DeepTransformer", layers, {
    ...{
      run: `deep/${layers.length} layers`,
      steps: steps(stepCount),
      lastStep: stepCount - 1,
      findings: findings.flatMap((finding, index) => [finding, consequences[index]]),
      trunk: { normalized: true, branches: blocks * 2 },
    },
    values: valuesOf(stepCount, layers.length, distances, () => 0, random),
    expected: { forward: layers.map(() => 0) },
    theory: layers.map((_, layer) => (layer === one ? 3.2 : layer === two ? -5 : 0)),
  });
}

/** A convolutional network whose activations become NaN at step 30. */
export function nan(): RunData {
  const random = randomOf(5);
  const layers = steps(24).map((index) =>
    layerOf(`features.${index * 2}`, index % 2 ? "norm" : "conv", {
      shape: index % 2 ? [64] : [64, 64, 3, 3],
      feeds: index % 2 ? "relu" : "norm",
    }),
  );
  const healthy = healthyDistances(random);
  const broken = (step: number, layer: number) => step >= 30 && layer >= (step === 30 ? 14 : 0);
  const rising = (step: number, layer: number) => (layer >= 14 && step > 20 ? (step - 20) * 0.5 : 0);
  const of = (key: keyof Distances) => (step: number, layer: number) =>
    broken(step, layer)
      ? Number.POSITIVE_INFINITY
      : healthy[key](step, layer) + (key === "gain" && layer !== 14 ? 0 : rising(step, layer));
  return documentOf("ConvNet", layers, {
    ...{ run: "conv/nan", steps: steps(60), lastStep: 59 },
    values: valuesOf(
      60,
      layers.length,
      { forward: of("forward"), gradient: of("gradient"), gain: of("gain") },
      () => 0.1,
      random,
    ),
    expected: { forward: layers.map(() => 0.1) },
    theory: layers.map(() => 0.1),
    findings: [
      findingOf({
        ...{
          code: "IH203",
          rule: "non-finite-activations",
          key: "IH203 features.28",
          layers: ["features.28"],
          step: 30,
          opened: 30,
        },
        message: "features.28: NaN or infinite outputs from step 30 on",
        cause: "its output doubled every second step from step 20 on, and overflowed float16 at 65,504",
        fix: 'trainer = Trainer(gradient_clip_val=1.0, precision="bf16-mixed")',
      }),
    ],
  });
}

/** What an older report holds: the first step, no structure, no gradients. */
export function old(): RunData {
  const data = mlp();
  const first = (key: "forward" | "forward_off") => {
    const bytes = Buffer.from(data.values[key] ?? "", "base64");
    return encoded(new Float32Array(new Uint8Array(bytes).buffer).slice(0, 48));
  };
  return {
    ...data,
    ...{ run: "report of 0.7", steps: [0], lastStep: 0, theory: data.layers.map(() => null) },
    layers: data.layers.map((layer) => ({ ...layer, place: "", source: null })),
    values: { forward: first("forward"), forward_off: first("forward_off") },
    lacks: [
      "This report holds the first step only: no history.",
      "This report does not describe the structure of the network.",
    ],
  };
}

/** Texts that would be markup if they were not shown as text. */
export function hostile(): RunData {
  const attack = '<img src=x onerror="window.attacked=true">';
  const data = mlp();
  const layers = data.layers.map((layer, index) =>
    index === 20 ? { ...layer, name: attack, module: attack, source: attack } : layer,
  );
  const findings = data.findings.map((finding, index) =>
    index === 0
      ? {
          ...finding,
          layers: [attack, ...finding.layers.slice(1)],
          message: attack,
          cause: attack,
          fix: attack,
        }
      : finding,
  );
  return { ...data, run: "hostile", model: attack, layers, findings, notes: [attack], optimizer: attack };
}

/** Every sample, by the name of its page. */
export const SAMPLES: Record<string, () => RunData> = {
  residual,
  mlp,
  fixed,
  gpt: () => gpt(true),
  gpt_fault: () => gpt(false),
  nan,
  old,
  hostile,
  deep200: () => deep(20, 100),
  deep1000: () => deep(100, 100),
  deep10000: () => deep(1000, 100),
};
