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

/** With one cause it explains all layers that are off; with several, each explains those its consequences name. */
export function spreadOf(cause: Cause, run: Run, track: Track, step: number): Spread {
  if (cause.layers.length === 0 || track.steps.length === 0)
    return { downstream: null, upstream: null, total: 0 };
  const own = new Set(cause.layers);
  const explained = run.active.length === 1 ? run.layers.map((_, layer) => layer) : cause.spread;
  const others = explained.filter((layer) => !own.has(layer));
  const isOff = (statistic: "forward_off" | "gradient_off", layer: number) =>
    Math.abs(track.at(statistic, step, layer)) > 1;
  const forward = others.filter((layer) => layer > cause.layers[0] && isOff("forward_off", layer));
  const last = cause.layers[cause.layers.length - 1];
  const gradient = others.filter((layer) => layer < last && isOff("gradient_off", layer));
  const worst = (statistic: "forward_off" | "gradient_off", layers: number[]) => {
    const values = layers.map((layer) => track.at(statistic, step, layer));
    return values.reduce((most, value) => (badnessOff(value) > badnessOff(most) ? value : most), Number.NaN);
  };
  const words = (name: string, statistic: "forward_off" | "gradient_off", layers: number[]) => {
    if (layers.length === 0) return null;
    const most = worst(statistic, layers);
    return `${count(layers.length, "layer")}: ${name} ${Number.isFinite(most) ? "up to " : ""}${distance(most)}`;
  };
  return {
    downstream: words("forward signal", "forward_off", forward),
    upstream: words("gradient", "gradient_off", gradient),
    total: new Set([...forward, ...gradient]).size,
  };
}
