// One column of measurements on the layer axis: a run, another run on the first one's layers, or their difference.

import type { Statistic } from "./contract.ts";
import type { Run } from "./run.ts";

export interface Track {
  label: string; // "" if there is only one
  steps: number[];
  isDifference: boolean;
  isCause: Uint8Array;
  hasCauses: boolean;
  expected: readonly (number | null)[]; // level of the signal at the first step by layer, log2; empty: not known
  theory: readonly (number | null)[]; // level predicted from the weights at the first step, log2
  values(statistic: Statistic, step: number): Float32Array; // by layer; step is an index into `steps`
  at(statistic: Statistic, step: number, layer: number): number;
}

type Values = Track["values"];

/** Adds the access to single values, and keeps what was asked for: the picture asks for the same steps again. */
function complete(track: Omit<Track, "at">): Track {
  const kept: Partial<Record<Statistic, Float32Array[]>> = {};
  const values: Values = (statistic, step) => {
    let steps = kept[statistic];
    if (!steps) {
      steps = [];
      kept[statistic] = steps;
    }
    steps[step] ??= track.values(statistic, step);
    return steps[step];
  };
  return { ...track, values, at: (statistic, step, layer) => values(statistic, step)[layer] };
}

export function trackOf(run: Run, label = ""): Track {
  return complete({
    label,
    steps: run.steps,
    isDifference: false,
    isCause: run.isCause,
    hasCauses: run.hasCauses,
    expected: run.data.expected.forward ?? [],
    theory: run.data.theory,
    values: (statistic, step) => valuesOf(run, statistic, step),
  });
}

function valuesOf(run: Run, statistic: Statistic, step: number): Float32Array {
  const width = run.layers.length;
  return run.series(statistic).subarray(step * width, (step + 1) * width);
}

const UNKNOWN: Pick<Track, "expected" | "theory"> = { expected: [], theory: [] }; // of tracks without a profile

/** Returns `other` on the layers of `base`, matched by name; not measured where it lacks a layer. */
export function aligned(base: Run, other: Run, label: string): Track {
  const index = new Map(other.layers.map((layer, at) => [layer.name, at]));
  const map = base.layers.map((layer) => index.get(layer.name) ?? -1);
  return complete({
    label,
    steps: other.steps,
    isDifference: false,
    isCause: Uint8Array.from(map, (at) => (at < 0 ? 0 : other.isCause[at])),
    hasCauses: other.hasCauses,
    ...UNKNOWN,
    values(statistic, step) {
      const values = valuesOf(other, statistic, step);
      return Float32Array.from(map, (at) => (at < 0 ? Number.NaN : values[at]));
    },
  });
}

const RATIOS: Partial<Record<Statistic, Statistic>> = {
  forward_off: "forward",
  gradient_off: "gradient",
  gain_off: "gain",
};

/** Returns by how many octaves `track` is above `base`, at the steps that both have. */
export function difference(base: Track, track: Track, label: string): Track {
  const positions = new Map(track.steps.map((step, at) => [step, at]));
  const shared = base.steps.flatMap((step, at) =>
    positions.has(step) ? [[at, positions.get(step) as number]] : [],
  );
  return complete({
    label,
    steps: shared.map(([at]) => base.steps[at]),
    isDifference: true,
    isCause: track.isCause,
    hasCauses: false,
    ...UNKNOWN,
    values(statistic, step) {
      const ratio = RATIOS[statistic];
      const [one, other] = [
        base.values(ratio ?? statistic, shared[step][0]),
        track.values(ratio ?? statistic, shared[step][1]),
      ];
      return one.map((value, layer) => (ratio ? octavesBetween(value, other[layer]) : other[layer] - value));
    },
  });
}

/** log2(other / one), where zeros and non-finite numbers keep their meaning. */
export function octavesBetween(one: number, other: number): number {
  if (Number.isNaN(one) || Number.isNaN(other)) return Number.NaN;
  if (one === other) return 0; // both zero, or both non-finite: no difference
  if (other === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (other === 0 || one === Number.POSITIVE_INFINITY) return Number.NEGATIVE_INFINITY;
  return one === 0 ? 2 * 8 : Math.log2(other / one);
}

/** Index of the recorded step that is nearest to `step`. */
export function nearestStep(steps: readonly number[], step: number): number {
  let [low, high] = [0, steps.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low > 0 && step - steps[low - 1] <= steps[low] - step ? low - 1 : low;
}

/** Index of the step nearest to `step` at which `statistic` was measured for any layer; -1 if it never was. */
export function measuredStep(track: Track, statistic: Statistic, step: number): number {
  const hasAny = (at: number) => track.values(statistic, at).some((value) => !Number.isNaN(value));
  for (let away = 0; away < track.steps.length; away++) {
    for (const at of [step - away, step + away])
      if (at >= 0 && at < track.steps.length && hasAny(at)) return at;
  }
  return -1;
}
