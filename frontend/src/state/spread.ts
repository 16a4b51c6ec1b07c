// How far a cause spreads: the layers that are off at the selected step and that it explains.

import { badnessOff } from "../colour/classes.ts";
import type { Cause, Run } from "../data/run.ts";
import type { Track } from "../data/track.ts";
import { count, distance } from "../layout/words.ts";

export interface Spread {
  downstream: string | null; // "22 layers: forward signal up to 500x too small"
  upstream: string | null;
  total: number;
}

type Level = "forward_off" | "gradient_off";

/**
 * Returns how far `cause` spreads. The findings name where a consequence comes from, not where it arrives, so the
 * layers are attributed here: a level to the nearest cause upstream, a gradient to the nearest downstream. Null for a
 * cause that nothing is known to follow from, if there are others.
 */
export function spreadOf({ finding: { key } }: Cause, run: Run, track: Track, step: number): Spread | null {
  const candidates = spreading(run);
  const cause = candidates.find(({ finding }) => finding.key === key);
  if (cause === undefined || track.steps.length === 0) return null;
  const own = new Set(cause.layers);
  const off = (level: Level, isNear: (layer: number) => boolean) => {
    const values = track.values(level, step);
    return run.layers.flatMap((_, layer) =>
      !own.has(layer) && Math.abs(values[layer]) > 1 && isNear(layer) ? [layer] : [],
    );
  };
  const first = ({ layers }: Cause) => layers[0];
  const last = ({ layers }: Cause) => layers[layers.length - 1];
  const forward = off(
    "forward_off",
    (layer) =>
      first(cause) < layer && !candidates.some((each) => first(each) < layer && first(each) > first(cause)),
  );
  const gradient = off(
    "gradient_off",
    (layer) =>
      last(cause) > layer && !candidates.some((each) => last(each) > layer && last(each) < last(cause)),
  );
  return {
    downstream: words("forward signal", track.values("forward_off", step), forward),
    upstream: words("gradient", track.values("gradient_off", step), gradient),
    total: new Set([...forward, ...gradient]).size,
  };
}

/** Causes that others follow from; a single cause explains everything. */
function spreading(run: Run): Cause[] {
  const placed = run.active.filter(({ layers }) => layers.length > 0);
  return placed.length === 1 ? placed : placed.filter(({ consequences }) => consequences.length > 0);
}

function words(name: string, values: Float32Array, layers: number[]): string | null {
  if (layers.length === 0) return null;
  const most = layers
    .map((layer) => values[layer])
    .reduce((worst, value) => (badnessOff(value) > badnessOff(worst) ? value : worst));
  return `${count(layers.length, "layer")}: ${name} ${Number.isFinite(most) ? "up to " : ""}${distance(most)}`;
}
