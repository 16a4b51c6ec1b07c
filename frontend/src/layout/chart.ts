// A small line of one statistic over the steps: its points, broken where nothing was measured, and its thinning.

import { binsOf } from "../fold/worst.ts";

export interface Line {
  low: number; // range of the drawn values, after the logarithm
  high: number;
  parts: [number, number][][]; // unbroken parts; x from 0 to 1, y from 0 (low) to 1 (high)
  nonFinite: number[]; // x of values that were NaN or infinite
  zeros: number[]; // x of values that were exactly zero and have no logarithm
}

/**
 * Returns the line of `values`, with at most two points in each of `bins` bins: the smallest and the largest. The range
 * holds `include` too, after the logarithm.
 */
export function lineOf(
  values: Float32Array,
  isLog: boolean,
  bins: number,
  include: readonly number[] = [],
): Line {
  const drawn = Float64Array.from(values, (value) => (isLog ? Math.log2(value) : value));
  const finite = [...drawn, ...include].filter(Number.isFinite);
  let [low, high] = [
    finite.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
  ];
  if (finite.length === 0) [low, high] = [0, 1];
  const least = isLog ? 2 : Math.max(1e-9, Math.abs(high) * 0.1);
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const x = (index: number) => (values.length < 2 ? 0.5 : index / (values.length - 1));
  const line: Line = { low, high, parts: [], nonFinite: [], zeros: [] };
  values.forEach((value, index) => {
    if (value === Number.POSITIVE_INFINITY) line.nonFinite.push(x(index));
    else if (isLog && value === 0) line.zeros.push(x(index));
  });
  line.parts = unbroken(thinned(drawn, bins), drawn, x, (value) => (value - low) / (high - low));
  return line;
}

/** Indices to draw: in each bin the smallest and the largest value, in order, so that no peak is lost. */
export function thinned(values: ArrayLike<number>, bins: number): number[] {
  if (values.length <= 2 * bins) return Array.from({ length: values.length }, (_, index) => index);
  return binsOf(values.length, bins).flatMap(([first, end]) => {
    let [least, most] = [first, first];
    for (let index = first; index < end; index++) {
      if (!(values[index] >= values[least])) least = index; // also takes NaN, which breaks the line
      if (values[index] > values[most]) most = index;
    }
    return least === most ? [least] : [Math.min(least, most), Math.max(least, most)];
  });
}

function unbroken(
  indices: number[],
  values: Float64Array,
  x: (index: number) => number,
  y: (value: number) => number,
): [number, number][][] {
  const parts: [number, number][][] = [];
  let open = false;
  for (const index of indices) {
    if (!Number.isFinite(values[index])) open = false;
    else {
      if (!open) parts.push([]);
      parts[parts.length - 1].push([x(index), y(values[index])]);
      open = true;
    }
  }
  return parts;
}
