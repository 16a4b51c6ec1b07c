// What follows from the runs and the view: rows, columns, tracks. Pure, so that it is tested without a browser.

import type { RunEntry } from "../data/contract.ts";
import { isActive, type Run } from "../data/run.ts";
import { aligned, difference, nearestStep, type Track, trackOf } from "../data/track.ts";
import { type Row, rowsOf } from "../fold/rows.ts";
import type { Item } from "../fold/tree.ts";
import type { Layout } from "../layout/columns.ts";
import type { ShownCause } from "./causes.ts";
import type { View } from "./view.ts";

export const NOW = "Now";
export const FIXED = "With the fixes";

/**
 * The tracks of the runs: one, or the first step as it is and with the fixes, or several runs side by side, or the
 * difference of each further run from the first.
 */
export function tracksOf(runs: readonly Run[], isDifference: boolean): Track[] {
  const [base, ...others] = runs;
  if (others.length === 0)
    return base.fixed ? [trackOf(base, NOW), trackOf(base.fixed, FIXED)] : [trackOf(base)];
  const first = trackOf(base, labelOf(base));
  const rest = others.map((other) => aligned(base, other, labelOf(other)));
  if (!isDifference) return [first, ...rest];
  return rest.map((track) => difference(first, track, `${track.label} against ${first.label}`));
}

/** What the panels show side by side. */
export function layoutOf([base, ...others]: readonly Run[]): Layout {
  if (others.length > 0) return "runs";
  return base.fixed ? "fixes" : "run";
}

function labelOf({ data }: Run): string {
  const sign = data.healthy === null ? "" : data.healthy ? "✓ " : "✕ ";
  return sign + (data.run || data.model);
}

/** The run to begin with: the first that is unhealthy, else the first that was judged. None if there are none. */
export function startRuns(entries: readonly RunEntry[]): string[] {
  const first =
    entries.find(({ healthy }) => healthy === false) ?? entries.find(({ healthy }) => healthy) ?? entries[0];
  return first ? [first.run] : [];
}

/** The step to begin with: where the first error is, else the first. */
export function startStep(run: Run): number {
  const errors = run.active.filter(({ finding }) => finding.severity === "error" && finding.closed === null);
  const first = errors.reduce(
    (least, { finding }) => Math.min(least, finding.step),
    Number.POSITIVE_INFINITY,
  );
  return Number.isFinite(first) ? first : (run.steps[0] ?? 0);
}

export function stepIndices(tracks: readonly Track[], step: number): number[] {
  return tracks.map((track) => Math.max(0, nearestStep(track.steps, step)));
}

const UNFOLDED_CAUSES = 4; // blocks that start unfolded; more would push the rest out of the window

export function viewRows(run: Run, items: Item[], view: View, all: readonly ShownCause[]): Row[] {
  const roots = all
    .filter((each) => isActive(each) && each.finding.severity !== "info")
    .flatMap(({ layers }) => layers.slice(0, 1));
  const marked = all.find(({ finding }) => finding.key === view.cause)?.layers[0];
  const chosen = view.layer === null ? [] : run.layersOf(view.layer).slice(0, 1);
  const causes = [...roots.slice(0, UNFOLDED_CAUSES), ...chosen, ...(marked === undefined ? [] : [marked])];
  return rowsOf({
    items,
    layers: run.layers.length,
    opened: new Set(view.opened),
    closed: new Set(view.closed),
    causes,
  });
}

/** How many layers are outside the expected range at a step. */
export function outside(track: Track, step: number, layers: number): number {
  if (track.steps.length === 0) return 0;
  const [forward, gradient] = [track.values("forward_off", step), track.values("gradient_off", step)];
  let count = 0;
  // Not measured is NaN, for which both comparisons are false.
  for (let layer = 0; layer < layers; layer++)
    if (Math.abs(forward[layer]) > 1 || Math.abs(gradient[layer]) > 1) count++;
  return count;
}
