// Levels of the profile: log2 of the output's rms, and what is expected there.

import type { Track } from "../data/track.ts";
import type { Row } from "../fold/rows.ts";
import { worstLayer } from "../fold/worst.ts";

export interface Level {
  layer: number; // the worst of the row
  value: number; // log2; -Infinity: exactly zero, +Infinity: not finite, NaN: not measured
  low: number; // smallest and largest finite value in the row
  high: number;
  expected: number | null; // log2
  theory: number | null; // at the first step only
}

export function levelOf(track: Track, step: number, row: Row): Level {
  const layer = worstLayer(track, "forward_off", step, row);
  const [low, high] = extent(track.values("forward", step), row);
  const value = Math.log2(track.at("forward", step, layer));
  const theory = step === 0 ? (track.theory[layer] ?? null) : null;
  return { layer, value, low, high, expected: expectedAt(track, step, layer), theory };
}

/** Smallest and largest finite level, log2. */
function extent(values: Float32Array, { start, end }: { start: number; end: number }): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = 0; // zeros have no logarithm
  for (let layer = start; layer < end; layer++) {
    const value = values[layer];
    if (value > 0 && value < low) low = value;
    if (value > high && value < Number.POSITIVE_INFINITY) high = value;
  }
  return [Math.log2(low), Math.log2(high)];
}

/** Expected level at a step. After the first step it follows from the level and its distance. */
function expectedAt(track: Track, step: number, layer: number): number | null {
  const derived = Math.log2(track.at("forward", step, layer)) - track.at("forward_off", step, layer);
  if (Number.isFinite(derived)) return derived;
  return track.expected[layer] ?? null;
}

const WIDEST = 48; // octaves that are drawn at most: one outlier must not flatten the rest

/** Range of the profiles of all tracks at their steps, in log2, with the healthy band of every layer inside. */
export function levelRange(tracks: readonly Track[], steps: readonly number[]): [number, number] {
  const ranges = tracks.flatMap((track, at) => (track.steps.length > 0 ? [extentOf(track, steps[at])] : []));
  const low = Math.min(...ranges.map(([least]) => least));
  const high = Math.max(...ranges.map(([, most]) => most));
  if (!(low <= high) || !Number.isFinite(high - low)) return [-2, 2];
  if (high - low > WIDEST)
    return high > 0 && low < 0 ? [Math.max(low, -WIDEST / 2), Math.min(high, WIDEST / 2)] : [low, high];
  const missing = Math.max(0, 6 - (high - low)) / 2;
  return [low - missing, high + missing];
}

/** Smallest and largest level of a track, with room for the healthy bands. */
function extentOf(track: Track, step: number): [number, number] {
  const values = track.values("forward", step);
  const measured = extent(values, { start: 0, end: values.length });
  let [low, high] = [measured[0] - 0.5, measured[1] + 0.5];
  for (const expected of track.expected) {
    if (expected === null || !Number.isFinite(expected)) continue;
    if (expected - 1.5 < low) low = expected - 1.5;
    if (expected + 1.5 > high) high = expected + 1.5;
  }
  return [low, high];
}
