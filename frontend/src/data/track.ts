// One column of measurements on the layer axis: a run, another run on the first one's layers, or their difference.

import type { Statistic } from "./contract.ts";
import type { Run } from "./run.ts";

export interface Track {
  label: string; // "" if there is only one
  steps: number[];
  isDifference: boolean;
  isCause: Uint8Array;
  hasCauses: boolean;
  at(statistic: Statistic, step: number, layer: number): number; // step is an index into `steps`
}

export function trackOf(run: Run, label = ""): Track {
  const width = run.layers.length;
  return {
    label,
    steps: run.steps,
    isDifference: false,
    isCause: run.isCause,
    hasCauses: run.active.length > 0,
    at: (statistic, step, layer) => run.series(statistic)[step * width + layer],
  };
}

/** Returns `other` on the layers of `base`, matched by name; not measured where it lacks a layer. */
export function aligned(base: Run, other: Run, label: string): Track {
  const width = other.layers.length;
  const index = new Map(other.layers.map((layer, at) => [layer.name, at]));
  const map = base.layers.map((layer) => index.get(layer.name) ?? -1);
  return {
    label,
    steps: other.steps,
    isDifference: false,
    isCause: Uint8Array.from(map, (at) => (at < 0 ? 0 : other.isCause[at])),
    hasCauses: other.active.length > 0,
    at: (statistic, step, layer) =>
      map[layer] < 0 ? Number.NaN : other.series(statistic)[step * width + map[layer]],
  };
}

const RATIOS: Partial<Record<Statistic, Statistic>> = {
  forward_off: "forward",
  gradient_off: "gradient",
  gain_off: "gain",
};

/** Returns by how many octaves `track` is above `base`, at the steps that both have. */
export function difference(base: Track, track: Track, label: string): Track {
  const positions = new Map(track.steps.map((step, at) => [step, at]));
  const shared = base.steps.flatMap((step, at) => (positions.has(step) ? [[at, positions.get(step) as number]] : []));
  return {
    label,
    steps: shared.map(([at]) => base.steps[at]),
    isDifference: true,
    isCause: track.isCause,
    hasCauses: false,
    at(statistic, step, layer) {
      const [one, other] = shared[step];
      const ratio = RATIOS[statistic];
      if (!ratio) return track.at(statistic, other, layer) - base.at(statistic, one, layer);
      return octavesBetween(base.at(ratio, one, layer), track.at(ratio, other, layer));
    },
  };
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
