// All numbers as CSV, one line for each layer and step.

import { STATISTICS } from "../data/contract.ts";
import type { Run } from "../data/run.ts";

export const MOST_LINES = 500_000; // a spreadsheet holds about a million

/** Returns the lines of all steps; of `step` only (an index) if there would be too many. */
export function csvOf(run: Run, step: number): string {
  const isAll = run.layers.length * run.steps.length <= MOST_LINES;
  const steps = isAll ? run.steps.map((_, index) => index) : [step];
  const series = STATISTICS.map((statistic) => run.series(statistic));
  const lines = [["step", "layer", "type", "shape", "scheme", ...STATISTICS].join(",")];
  for (const index of steps) {
    run.layers.forEach((layer, at) => {
      const text = [layer.name, layer.type, layer.shape.join("x"), layer.scheme ?? ""].map(quoted);
      const numbers = series.map((values) => numeral(values[index * run.layers.length + at]));
      lines.push([run.steps[index], ...text, ...numbers].join(","));
    });
  }
  return `${lines.join("\r\n")}\r\n`;
}

/** Spreadsheets run a text that begins with one of these characters as a formula. */
function quoted(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function numeral(value: number): string {
  if (Number.isNaN(value)) return "";
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : value > 0 ? "inf" : "-inf";
}
