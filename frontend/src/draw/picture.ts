// All that the picture of one view needs, and the order in which it is drawn.

import type { Palette } from "../colour/palette.ts";
import type { Severity } from "../data/contract.ts";
import type { Run } from "../data/run.ts";
import type { Track } from "../data/track.ts";
import type { Row } from "../fold/rows.ts";
import type { ClassCache } from "../fold/worst.ts";
import type { Columns } from "../layout/columns.ts";
import type { Lanes } from "../layout/lanes.ts";
import { drawBrackets } from "./brackets.ts";
import { drawGain } from "./gain.ts";
import { drawGutter } from "./gutter.ts";
import { drawHeatmap } from "./heatmap.ts";
import { drawProfile } from "./profile.ts";
import type { Surface } from "./surface.ts";
import { drawUpdates } from "./updates.ts";

export interface Bracket {
  severity: Severity;
  spans: [number, number][]; // first and last row
  marked: boolean; // its card was clicked
}

export interface Picture {
  run: Run;
  base: Track; // of the first run: cards and words are about it
  baseStep: number; // index
  tracks: Track[];
  steps: number[]; // selected step of each track, as an index
  gainSteps: number[]; // of each track: gains are measured at fewer steps than levels; -1: never
  updateStep: number; // index of the step whose updates are shown; -1: none was measured
  rows: Row[];
  rowHeight: number;
  columns: Columns;
  palette: Palette;
  lanes: Lanes;
  classes: ClassCache;
  brackets: Bracket[];
  levels: [number, number]; // range of the profile, log2
}

/** Rows to draw, first to last, with row 0 at y = `top`. */
export interface Window {
  first: number;
  last: number;
  top: number;
}

export function drawPicture(surface: Surface, picture: Picture, window: Window): void {
  drawGutter(surface, picture, window);
  for (const panel of picture.columns.panels) {
    if (panel.kind === "gain") drawGain(surface, picture, window, panel);
    else if (panel.kind === "profile") drawProfile(surface, picture, window, panel);
    else if (panel.kind === "update") drawUpdates(surface, picture, window, panel);
    else drawHeatmap(surface, picture, window, panel);
  }
  drawBrackets(surface, picture, window);
}

/** The height of a cell: rows are one pixel apart where they are high enough. */
export function cellHeight(rowHeight: number): number {
  return rowHeight >= 6 ? rowHeight - 1 : rowHeight;
}
