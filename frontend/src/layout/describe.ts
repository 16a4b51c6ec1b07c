// A row, a layer or a cell in words: for the tooltip, the list that screen readers read, and the table.

import type { Run } from "../data/run.ts";
import { type Track, trackOf } from "../data/track.ts";
import type { Row } from "../fold/rows.ts";
import { type OffStatistic, worstLayer } from "../fold/worst.ts";
import { contents, distance, number } from "./words.ts";

const MEASURED: Record<OffStatistic, { words: string; value: "forward" | "gradient" | "gain" }> = {
  gain_off: { words: "gain", value: "gain" },
  forward_off: { words: "forward rms", value: "forward" },
  gradient_off: { words: "gradient norm", value: "gradient" },
};

export const OFF: OffStatistic[] = ["gain_off", "forward_off", "gradient_off"];

/** "forward rms 0.0023: 12x too small (expected 0.028)" */
export function described(track: Track, statistic: OffStatistic, step: number, layer: number): string {
  const { words, value } = MEASURED[statistic];
  const off = track.at(statistic, step, layer);
  if (track.isDifference) return `${words}: ${distance(off, true)}`;
  const measured = track.at(value, step, layer);
  if (Number.isNaN(measured)) return `${words}: not measured`;
  if (!Number.isFinite(measured)) return `${words}: NaN or infinite`;
  if (Number.isNaN(off)) return `${words} ${number(measured)}: nothing to compare with`;
  const expected = Number.isFinite(off) && measured > 0 ? ` (expected ${number(measured / 2 ** off)})` : "";
  return `${words} ${number(measured)}: ${distance(off)}${expected}`;
}

/** The same with the fixes: "with the fixes: forward rms 0.028: healthy, as expected"; null if none was tried. */
export function describedFixed(run: Run, statistic: OffStatistic, layer: number): string | null {
  if (!run.fixed) return null;
  return `with the fixes: ${described(trackOf(run.fixed), statistic, 0, layer)}`;
}

/** One sentence about a row at a step, for screen readers. */
export function rowInWords(run: Run, track: Track, step: number, row: Row): string {
  const inside = contents(row);
  const kind = inside ? `folded, ${inside}, worst of them` : run.layers[row.start].kind;
  const values = OFF.map((statistic) =>
    described(track, statistic, step, worstLayer(track, statistic, step, row)),
  );
  const fixed = describedFixed(run, "forward_off", worstLayer(track, "forward_off", step, row));
  const named = run.active.filter((cause) =>
    cause.layers.some((layer) => layer >= row.start && layer < row.end),
  );
  const findings = named.map(({ finding }) => `${finding.severity} ${finding.code}`);
  const name = inside ? `${row.label} ×${row.end - row.start}` : row.label;
  return [name, kind, ...findings, ...values, fixed].filter((part) => part !== null).join(", ");
}

/** The end of a name that is too long: the end says which layer it is. */
export function shortened(name: string, characters: number): string {
  return name.length <= characters ? name : `…${name.slice(name.length - Math.max(1, characters - 1))}`;
}
