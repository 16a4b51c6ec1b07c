// The document that describes one run. Python writes it; the page only reads it. All text in it is untrusted.

export const VERSION = 1;

export const STATISTICS = [
  "forward", // rms of the output, linear
  "gradient", // L2 norm of the loss's gradient at the output
  "gain", // output rms / input rms
  "update", // update rms / weight rms in the step
  "forward_off", // octaves from what is expected at that step
  "gradient_off",
  "gain_off",
  "dead", // share of dead or saturated units, the larger of both
] as const;

export type Statistic = (typeof STATISTICS)[number];
export type Severity = "error" | "warning" | "info";

export interface LayerData {
  name: string;
  module: string;
  kind: string;
  type: string;
  place: string;
  shape: number[];
  scheme: string | null;
  std: number | null;
  wantedStd: number | null;
  activation: string | null;
  feeds: string;
  bypassable: boolean;
  readsTrunk: boolean;
  endsBranch: boolean;
  readsNorm: boolean;
  head: boolean;
  zeroStart: boolean;
  source: string | null;
}

export interface FindingData {
  key: string;
  explainedBy: string | null;
  role: "cause" | "consequence";
  code: string;
  rule: string;
  severity: Severity;
  suppressed: string | null;
  layers: string[];
  message: string;
  cause: string;
  fix: string;
  verified?: "clears" | "partly" | ""; // what the fix did when it was tried; older documents lack it
  verification?: string; // a sentence on that
  measured: number | null;
  limit: number | null;
  source: string | null;
  step: number;
  opened: number;
  worsened: number[];
  closed: number | null;
}

type PerLayer = (number | null)[];

/** The first step with the fixes. */
export interface FixedData {
  values: Partial<Record<Statistic, string>>;
  expected: Partial<Record<"forward" | "gradient" | "gain", PerLayer>>;
  theory: PerLayer;
}

export interface RunData {
  version: number;
  run: string;
  model: string;
  healthy: boolean | null;
  verdict: string;
  errors: number;
  warnings: number;
  infos: number;
  optimizer: string;
  exact: boolean;
  lastStep: number;
  notMeasured: string[];
  notes: string[];
  skipped: { code: string; rule: string; reason: string }[];
  versions: Record<string, string>;
  lacks: string[];
  layers: LayerData[];
  trunk: { normalized: boolean; branches: number };
  steps: number[];
  thinned: string | null;
  values: Partial<Record<Statistic, string>>;
  expected: Partial<Record<"forward" | "gradient" | "gain", PerLayer>>;
  theory: PerLayer;
  reference: { forward: string; gradient: string };
  fixed?: FixedData | null; // null: no fix was tried
  findings: FindingData[];
}

export interface RunEntry {
  run: string;
  lastStep: number;
  healthy: boolean | null;
  verdict: string;
}

export interface RunList {
  runs: RunEntry[];
  message: string | null;
}

/** What the server sends instead of a run that it cannot read. */
export interface Message {
  message: string;
}
