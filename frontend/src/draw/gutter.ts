// The structure of the network as a commit graph: the trunk is a line, residual branches leave and join it.

import type { LayerData } from "../data/contract.ts";
import { rowWith } from "../fold/rows.ts";
import { LANE } from "../layout/columns.ts";
import type { Branch } from "../layout/lanes.ts";
import type { Picture, Window } from "./picture.ts";
import type { Surface } from "./surface.ts";

const LINE = 1.5;

export function drawGutter(surface: Surface, picture: Picture, window: Window): void {
  const { rows, rowHeight, palette } = picture;
  const trunk = laneX(picture, 0);
  const end = Math.min(window.last + 1, rows.length);
  surface.line(
    [
      [trunk, window.top + window.first * rowHeight],
      [trunk, window.top + end * rowHeight],
    ],
    palette.muted,
    LINE,
  );
  const [start, stop] = [rows[window.first].start, rows[end - 1].end];
  for (const branch of picture.lanes.branches) {
    if (branch.end >= start && branch.start < stop) drawBranch(surface, picture, window, branch);
  }
  for (let index = window.first; index <= window.last; index++) drawMark(surface, picture, window, index);
}

function laneX(picture: Picture, lane: number): number {
  return picture.columns.gutter.x + 8 + lane * LANE;
}

function drawBranch(surface: Surface, picture: Picture, window: Window, branch: Branch): void {
  const { rows, rowHeight, palette } = picture;
  const [first, last] = [rowWith(rows, branch.start), rowWith(rows, branch.end)];
  if (first < 0 || last < window.first || first > window.last) return;
  // Inside one folded row a branch is part of that row's loop.
  if (first === last && rows[first].end - rows[first].start > 1) return;
  const [trunk, lane] = [laneX(picture, 0), laneX(picture, branch.lane)];
  const top = window.top + first * rowHeight;
  const bottom = window.top + (last + 1) * rowHeight;
  const half = rowHeight / 2;
  surface.curve([trunk, top - half * 0.4], [lane, top + half], palette.muted, LINE);
  if (last > first)
    surface.line(
      [
        [lane, top + half],
        [lane, bottom - half],
      ],
      palette.muted,
      LINE,
    );
  surface.curve([lane, bottom - half], [trunk, bottom + half * 0.4], palette.muted, LINE);
}

function drawMark(surface: Surface, picture: Picture, window: Window, index: number): void {
  const { rows, rowHeight, palette, run, lanes } = picture;
  const row = rows[index];
  const y = window.top + (index + 0.5) * rowHeight;
  if (row.end - row.start > 1) {
    drawFolded(surface, picture, index, y);
    return;
  }
  const layer = run.layers[row.start];
  const x = laneX(picture, lanes.laneOf[row.start]);
  if (layer.kind === "norm")
    surface.line(
      [
        [x - 4, y],
        [x + 4, y],
      ],
      palette.text,
      2,
    );
  else surface.dot(x, y, 2.6, isHollow(layer) ? palette.background : palette.muted, palette.muted);
}

/** Zero starts are intentional and pass nothing on at first; the head ends the network. */
function isHollow(layer: LayerData): boolean {
  return layer.zeroStart || layer.head;
}

/** A folded row is a square on the trunk, with one loop if it has branches inside. */
function drawFolded(surface: Surface, picture: Picture, index: number, y: number): void {
  const { rows, rowHeight, palette, lanes } = picture;
  const row = rows[index];
  let branched = false;
  for (let layer = row.start; layer < row.end && !branched; layer++) branched = lanes.laneOf[layer] > 0;
  const trunk = laneX(picture, 0);
  if (branched) {
    const lane = laneX(picture, 1);
    surface.curve([trunk, y - rowHeight * 0.45], [lane, y], palette.muted, LINE);
    surface.curve([lane, y], [trunk, y + rowHeight * 0.45], palette.muted, LINE);
  }
  surface.rect(trunk - 3, y - 3, 6, 6, palette.muted);
}
