// Update rms / weight rms at the selected step, on a log axis. There is no expected value for a single layer, so it is
// drawn as a neutral dot and not by class.

import type { Track } from "../data/track.ts";
import type { Row } from "../fold/rows.ts";
import type { Panel } from "../layout/columns.ts";
import { logarithmic } from "../layout/scale.ts";
import { cellHeight, type Picture, type Window } from "./picture.ts";
import type { Surface } from "./surface.ts";

export const UPDATE_RANGE: [number, number] = [1e-6, 1];

export function updateScale(panel: Panel) {
  return logarithmic(UPDATE_RANGE, [panel.x + 4, panel.x + panel.width - 4]);
}

export function drawUpdates(surface: Surface, picture: Picture, window: Window, panel: Panel): void {
  const { palette, rowHeight, rows } = picture;
  const scale = updateScale(panel);
  const height = (window.last - window.first + 1) * rowHeight - 1;
  const top = window.top + window.first * rowHeight;
  surface.rect(panel.x, top, panel.width, height, palette.panel);
  surface.line(
    [
      [scale(1e-3), top],
      [scale(1e-3), top + height],
    ],
    palette.rule,
    1,
  );
  for (let index = window.first; index <= window.last; index++) {
    const y = window.top + (index + 0.5) * rowHeight;
    const shares = sharesOf(picture.tracks[panel.track], picture.updateStep, rows[index]);
    if (shares === null) {
      surface.hatch(
        panel.x,
        y - rowHeight / 2,
        panel.width,
        cellHeight(rowHeight),
        palette.hatch,
        palette.background,
      );
      continue;
    }
    const [low, middle, high] = shares.map((share) => scale(Math.max(share, UPDATE_RANGE[0])));
    if (low < high)
      surface.line(
        [
          [low, y],
          [high, y],
        ],
        palette.muted,
        1,
      );
    const bad = shares[2] === Number.POSITIVE_INFINITY;
    const empty = shares[2] === 0;
    surface.dot(
      bad ? high : middle,
      y,
      2.5,
      bad ? palette.nonFinite : empty ? palette.background : palette.muted,
      empty ? palette.muted : undefined,
    );
  }
}

/** Smallest, median and largest ratio of a row; null if none was measured. */
export function sharesOf(track: Track, step: number, row: Row): [number, number, number] | null {
  const shares: number[] = [];
  const values = track.values("update", step);
  for (let layer = row.start; layer < row.end; layer++)
    if (!Number.isNaN(values[layer])) shares.push(values[layer]);
  if (shares.length === 0) return null;
  if (shares.length > 1) shares.sort((a, b) => a - b);
  return [shares[0], shares[shares.length >> 1], shares[shares.length - 1]];
}
