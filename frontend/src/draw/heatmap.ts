// One statistic of every row at every step, by class. Recorded steps have equal width: the first ones matter most.

import { MISSING } from "../colour/classes.ts";
import { colorOf } from "../colour/palette.ts";
import type { Row } from "../fold/rows.ts";
import { binsOf, hasCause, type OffStatistic, worstClass } from "../fold/worst.ts";
import type { Panel } from "../layout/columns.ts";
import { cellHeight, type Picture, type Window } from "./picture.ts";
import type { Surface } from "./surface.ts";

const NARROWEST = 1.5; // pixels of a cell

export function drawHeatmap(surface: Surface, picture: Picture, window: Window, panel: Panel): void {
  const statistic = `${panel.kind}_off` as OffStatistic;
  const track = picture.tracks[panel.track];
  if (track.steps.length === 0) return;
  const bins = binsOf(track.steps.length, panel.width / NARROWEST);
  for (let index = window.first; index <= window.last; index++) {
    const row = picture.rows[index];
    const classes = picture.classes.of(track, statistic, row);
    const cells = bins.map((bin) => worstClass(classes, bin));
    drawCells(
      surface,
      picture,
      panel,
      cells,
      isPale(picture, panel, row),
      window.top + index * picture.rowHeight,
    );
  }
}

/** What is off only as a consequence is paler than its cause. */
export function isPale(picture: Picture, panel: Panel, row: Row): boolean {
  const track = picture.tracks[panel.track];
  return track.hasCauses && !hasCause(track, row);
}

function drawCells(
  surface: Surface,
  picture: Picture,
  panel: Panel,
  cells: number[],
  pale: boolean,
  y: number,
): void {
  const { palette, rowHeight } = picture;
  const height = cellHeight(rowHeight);
  const edge = (cell: number) => Math.round(panel.x + (cell * panel.width) / cells.length);
  let first = 0;
  for (let cell = 1; cell <= cells.length; cell++) {
    if (cell < cells.length && cells[cell] === cells[first]) continue;
    const [x, width] = [edge(first), edge(cell) - edge(first)];
    if (cells[first] === MISSING) surface.hatch(x, y, width, height, palette.hatch, palette.background);
    else surface.rect(x, y, width, height, colorOf(palette, cells[first], pale));
    first = cell;
  }
}
