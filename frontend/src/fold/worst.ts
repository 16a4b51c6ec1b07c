// What a row shows: the worst of its layers. A mean would hide one bad layer among a thousand.

import { badness, badnessOff, classOf, MISSING, widening } from "../colour/classes.ts";
import type { Track } from "../data/track.ts";

export type OffStatistic = "forward_off" | "gradient_off" | "gain_off";

export interface Range {
  start: number;
  end: number;
}

/** The layer of `range` that is farthest from what is expected. */
export function worstLayer(track: Track, statistic: OffStatistic, step: number, range: Range): number {
  if (range.end - range.start === 1) return range.start;
  const values = track.values(statistic, step);
  let worst = range.start;
  let most = -2;
  for (let layer = range.start; layer < range.end; layer++) {
    const bad = badnessOff(values[layer]);
    if (bad > most) {
      worst = layer;
      most = bad;
    }
  }
  return worst;
}

/** Whether a cause names a layer of `range`: its colors are drawn in full. */
export function hasCause(track: Track, range: Range): boolean {
  for (let layer = range.start; layer < range.end; layer++) if (track.isCause[layer] === 1) return true;
  return false;
}

/** Classes of a row at every step, with hysteresis along the steps. */
export function classesOf(track: Track, statistic: OffStatistic, range: Range): Int8Array {
  // A cause in a folded block must stay visible, however many healthy layers share the row.
  const wider = hasCause(track, range) ? 0 : widening(range.end - range.start);
  const classes = new Int8Array(track.steps.length);
  let previous = MISSING;
  for (let step = 0; step < classes.length; step++) {
    const layer = worstLayer(track, statistic, step, range);
    previous = classOf(track.at(statistic, step, layer), previous, wider);
    classes[step] = previous;
  }
  return classes;
}

/** The steps of each bin if `steps` are drawn in at most `bins` cells: [first, after the last). */
export function binsOf(steps: number, bins: number): [number, number][] {
  const count = Math.max(1, Math.min(steps, Math.floor(bins)));
  return Array.from({ length: count }, (_, bin) => [
    Math.floor((bin * steps) / count),
    Math.floor(((bin + 1) * steps) / count),
  ]);
}

/** The worst class of `classes` in a bin. */
export function worstClass(classes: Int8Array, [first, end]: [number, number]): number {
  let worst = classes[first];
  for (let step = first + 1; step < end; step++)
    if (badness(classes[step]) > badness(worst)) worst = classes[step];
  return worst;
}

/** Keeps the classes of rows, since scrolling draws the same rows again and again. */
export class ClassCache {
  private readonly known = new WeakMap<Track, Map<string, Int8Array>>();

  of(track: Track, statistic: OffStatistic, range: Range): Int8Array {
    let kept = this.known.get(track);
    if (!kept) {
      kept = new Map();
      this.known.set(track, kept);
    }
    const key = `${statistic}:${range.start}:${range.end}`;
    let classes = kept.get(key);
    if (!classes) {
      classes = classesOf(track, statistic, range);
      kept.set(key, classes);
    }
    return classes;
  }
}
