// Numbers in words, always in the same form.

import type { FindingData } from "../data/contract.ts";
import type { Row } from "../fold/rows.ts";

/** Three significant digits; very small and very large numbers with an exponent. */
export function number(value: number): string {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not measured" : "NaN or infinite";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3)
    return value
      .toExponential(2)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  return String(Number(value.toPrecision(3)));
}

/** "2.9x too small", "healthy", "exactly zero": a distance in octaves. */
export function distance(off: number, isDifference = false): string {
  if (Number.isNaN(off)) return "not measured";
  if (off === Number.POSITIVE_INFINITY) return "NaN or infinite";
  if (off === Number.NEGATIVE_INFINITY) return "exactly zero";
  const factor = `${large(2 ** Math.abs(off))}x`;
  if (isDifference)
    return Math.abs(off) <= 1
      ? `similar (${off < 0 ? "÷" : "×"}${factor.slice(0, -1)})`
      : `${factor} ${off < 0 ? "smaller" : "larger"}`;
  if (factor === "1x") return "healthy, as expected";
  if (Math.abs(off) <= 1) return `healthy (${factor} ${off < 0 ? "below" : "above"} expected)`;
  return `${factor} too ${off < 0 ? "small" : "large"}`;
}

/** A factor: with separators and no exponent as long as it can be read. */
function large(factor: number): string {
  return factor >= 1000 && factor < 1e9
    ? Number(factor.toPrecision(3)).toLocaleString("en-US")
    : number(factor);
}

export function count(amount: number, thing: string): string {
  const plural = thing.endsWith("s") ? "es" : "s";
  return `${amount.toLocaleString("en-US")} ${thing}${amount === 1 ? "" : plural}`;
}

/** "12 layers in 2 blocks", what a folded row holds. */
export function contents(row: Row): string {
  const layers = row.end - row.start;
  if (layers === 1) return "";
  return row.blocks > 1
    ? `${count(layers, "layer")} in ${count(row.blocks, "block")}`
    : count(layers, "layer");
}

/** The first and last name: "layers.20 … layers.25", "layer 17 … 23". */
export function span(names: readonly string[]): string {
  if (names.length === 0) return "the whole network";
  const first = /^\d+$/.test(names[0]) ? `layer ${names[0]}` : names[0];
  if (names.length === 1) return first;
  return names.length === 2 ? `${first} and ${names[1]}` : `${first} … ${names[names.length - 1]}`;
}

export interface Test {
  kind: "clears" | "partly" | "untried";
  mark: string;
  words: string;
}

const MARKS: Record<Test["kind"], string> = { clears: "✓", partly: "!", untried: "?" };

/** What the fix of a finding did when it was tried; null if nothing is known of that. */
export function testOf({ verified, verification }: FindingData): Test | null {
  if (!verification) return null;
  const kind = verified || "untried";
  return { kind, mark: MARKS[kind], words: verification };
}
