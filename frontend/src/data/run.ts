// One run: its document, with the numbers decoded when they are first needed. Decoding all eight statistics of a
// network with 10,000 layers takes longer than the first picture may.

import type { FindingData, FixedData, LayerData, RunData, Statistic } from "./contract.ts";
import { joined } from "./decode.ts";

export interface Cause {
  finding: FindingData;
  layers: number[]; // ascending
  consequences: FindingData[];
}

/** Whether a cause counts: neither suppressed nor resolved. */
export function isActive({ finding }: Cause): boolean {
  return finding.suppressed === null && finding.closed === null;
}

type Parts = Map<Statistic, string[]>;

export class Run {
  readonly layers: LayerData[];
  readonly steps: number[];
  readonly causes: Cause[];
  readonly isCause: Uint8Array; // 1 for each layer that a cause names
  readonly fixed: Run | null; // the first step with the fixes, if they were tried
  private readonly parts: Parts;
  private readonly decoded = new Map<Statistic, Float32Array>();
  private readonly byName = new Map<string, number[]>();

  constructor(
    readonly data: RunData,
    parts?: Parts,
  ) {
    this.layers = data.layers;
    this.steps = data.steps;
    this.parts = parts ?? partsOf(data);
    data.layers.forEach((layer, index) => {
      this.register(layer.module, index);
      if (layer.name !== layer.module) this.register(layer.name, index);
    });
    this.causes = data.findings
      .filter((finding) => finding.role === "cause")
      .map((each) => this.causeOf(each));
    this.isCause = new Uint8Array(this.layers.length);
    const judged = this.causes.filter(({ finding }) => finding.suppressed === null);
    for (const cause of judged) for (const layer of cause.layers) this.isCause[layer] = 1;
    this.fixed = data.fixed ? new Run(fixedOf(data, data.fixed)) : null;
  }

  /** The causes that count. */
  get active(): Cause[] {
    return this.causes.filter(isActive);
  }

  /** Whether a layer is known as the cause of what is off elsewhere. */
  get hasCauses(): boolean {
    return this.active.some(({ finding, layers }) => finding.severity !== "info" && layers.length > 0);
  }

  /** Numbers of one statistic, steps x layers. NaN where nothing was measured. */
  series(statistic: Statistic): Float32Array {
    let numbers = this.decoded.get(statistic);
    if (!numbers) {
      numbers = joined(this.parts.get(statistic) ?? [], this.steps.length * this.layers.length);
      this.decoded.set(statistic, numbers);
    }
    return numbers;
  }

  /** Indices of the layers that belong to a module; of those inside it if it is a container. */
  layersOf(module: string): number[] {
    const exact = this.byName.get(module);
    if (exact) return exact;
    if (module === "") return [];
    const prefix = `${module}.`;
    return this.layers.flatMap((layer, index) => (layer.name.startsWith(prefix) ? [index] : []));
  }

  /** Returns this run with the steps of `tail` appended, or null if `tail` does not continue it. */
  extended(tail: RunData): Run | null {
    if (tail.thinned !== this.data.thinned || !sameLayers(tail.layers, this.layers)) return null;
    const last = this.steps.at(-1) ?? -1;
    if (tail.steps.some((step) => step <= last)) return null;
    const parts: Parts = new Map();
    for (const [statistic, known] of this.parts)
      parts.set(statistic, [...known, tail.values[statistic] ?? ""]);
    return new Run({ ...tail, steps: [...this.steps, ...tail.steps] }, parts);
  }

  private register(name: string, index: number): void {
    const known = this.byName.get(name);
    if (known) known.push(index);
    else this.byName.set(name, [index]);
  }

  private causeOf(finding: FindingData): Cause {
    const layers = this.all(finding.layers);
    const consequences = this.data.findings.filter(
      (each) => each.role === "consequence" && each.explainedBy === finding.key,
    );
    return { finding, layers, consequences };
  }

  private all(modules: string[]): number[] {
    return [...new Set(modules.flatMap((module) => this.layersOf(module)))].sort((a, b) => a - b);
  }
}

/** The document of the first step with the fixes, without the findings that they clear. */
function fixedOf(data: RunData, fixed: FixedData): RunData {
  const findings = data.findings.filter((finding) => finding.verified !== "clears");
  return { ...data, ...fixed, findings, steps: data.steps.slice(0, 1), fixed: null };
}

function partsOf(data: RunData): Parts {
  return new Map(Object.entries(data.values).map(([name, text]) => [name as Statistic, [text ?? ""]]));
}

function sameLayers(one: LayerData[], other: LayerData[]): boolean {
  return one.length === other.length && one.every((layer, index) => layer.name === other[index].name);
}
