// Positions of values on a panel's horizontal axis. Values outside are drawn at its edge.

import { ticks } from "d3-array";

export interface Scale {
  (value: number): number;
  ticks(count: number): number[];
}

export function linear([low, high]: [number, number], [from, to]: [number, number]): Scale {
  const at = (value: number) => {
    const share = high > low ? (value - low) / (high - low) : 0.5;
    return from + Math.max(0, Math.min(1, share)) * (to - from);
  };
  return Object.assign(at, { ticks: (count: number) => ticks(low, high, count) });
}

/** A scale on which equal factors have equal lengths. */
export function logarithmic(
  [low, high]: [number, number],
  range: [number, number],
): (value: number) => number {
  const scale = linear([Math.log10(low), Math.log10(high)], range);
  return (value) => scale(Math.log10(value));
}
