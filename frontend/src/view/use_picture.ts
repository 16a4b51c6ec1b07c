// Puts together what the picture shows, once for every change of it.

import { useMemo } from "preact/hooks";
import type { Palette } from "../colour/palette.ts";
import type { Cause, Run } from "../data/run.ts";
import { measuredStep, type Track } from "../data/track.ts";
import { levelRange } from "../draw/levels.ts";
import type { Bracket, Picture } from "../draw/picture.ts";
import { type Row, spansOf } from "../fold/rows.ts";
import { ClassCache } from "../fold/worst.ts";
import { columnsOf, type Layout } from "../layout/columns.ts";
import { lanesOf } from "../layout/lanes.ts";
import type { Size } from "./use_size.ts";

interface Request {
  run: Run;
  base: Track;
  baseStep: number;
  tracks: Track[];
  steps: number[];
  layout: Layout;
  rows: Row[];
  causes: Cause[];
  marked: string | null;
  palette: Palette;
  size: Size;
  isPrinting: boolean;
}

const SCROLLBAR = 16;
const PRINTED = 1040; // pixels across a printed page

/** Returns the picture; null before the size of the window is known. */
export function usePicture(request: Request): Picture | null {
  const { run, base, baseStep, tracks, steps, layout, rows, causes, marked, palette, size, isPrinting } =
    request;
  const lanes = useMemo(() => lanesOf(run.layers), [run.layers]);
  // New tracks, as of a live run, have new classes.
  const classes = useMemo(() => new ClassCache(), [tracks]);
  const width = isPrinting ? PRINTED : size.width - SCROLLBAR;
  const updateStep = useMemo(
    () => (layout === "run" ? measuredStep(tracks[0], "update", steps[0]) : -1),
    [tracks, steps, layout],
  );
  const gainSteps = useMemo(
    () => tracks.map((track, at) => measuredStep(track, "gain_off", steps[at])),
    [tracks, steps],
  );
  const hasUpdates = updateStep >= 0;
  const columns = useMemo(() => {
    const longestName = rows.reduce(
      (longest, row) => Math.max(longest, row.label.length + (row.children.length > 0 ? 5 : 0)),
      0,
    );
    return columnsOf({
      width,
      longestName,
      lanes: lanes.count,
      tracks: tracks.length,
      layout,
      hasCards: causes.length > 0,
      hasUpdates,
    });
  }, [width, rows, lanes, tracks, layout, causes.length, hasUpdates]);
  const levels = useMemo(() => levelRange(tracks, steps), [tracks, steps]);
  const brackets = useMemo(
    () => causes.map((cause) => bracketOf(cause, rows, marked)),
    [causes, rows, marked],
  );
  const rowHeight = rowHeightFor(columns.cards ? size.height : size.height / 2, rows.length);
  return useMemo(() => {
    if (width <= 0) return null;
    return {
      run,
      base,
      baseStep,
      tracks,
      steps,
      updateStep,
      gainSteps,
      rows,
      rowHeight,
      columns,
      palette,
      lanes,
      classes,
      brackets,
      levels,
    };
  }, [
    run,
    base,
    baseStep,
    tracks,
    steps,
    updateStep,
    gainSteps,
    rows,
    rowHeight,
    columns,
    palette,
    lanes,
    classes,
    brackets,
    levels,
    width,
  ]);
}

function bracketOf({ finding, layers }: Cause, rows: Row[], marked: string | null): Bracket {
  const isQuiet = finding.suppressed !== null;
  return {
    severity: isQuiet ? "info" : finding.severity,
    spans: spansOf(rows, layers),
    marked: finding.key === marked,
  };
}

const TITLES = 62; // pixels of the panel titles above the rows

/** All rows at once where they can still be read, else a height that can be read. */
function rowHeightFor(height: number, rows: number): number {
  return Math.max(12, Math.min(26, Math.floor((height - TITLES - 10) / Math.max(1, rows))));
}
