// The gain of each row, at the step nearest to the selected one at which gains were measured. Levels show symptoms;
// gains show which layer is the cause. A gain is a bar from the middle, to the left if it is too small, so that it can
// be read without color and within a class.

import { MISSING, NON_FINITE } from "../colour/classes.ts";
import { colorOf } from "../colour/palette.ts";
import { worstLayer } from "../fold/worst.ts";
import type { Panel } from "../layout/columns.ts";
import { cellHeight, type Picture, type Window } from "./picture.ts";
import type { Surface } from "./surface.ts";

const NARROW = 30; // pixels below which a bar cannot be read: the whole cell is colored
const LONGEST = 4; // octaves; the color shows which of the larger classes it is

export function drawGain(surface: Surface, picture: Picture, window: Window, panel: Panel): void {
  const { palette, rowHeight, rows } = picture;
  const track = picture.tracks[panel.track];
  const step = Math.max(0, picture.gainSteps[panel.track]);
  if (track.steps.length === 0) return;
  const height = cellHeight(rowHeight);
  for (let index = window.first; index <= window.last; index++) {
    const code = picture.classes.of(track, "gain_off", rows[index])[step];
    const y = window.top + index * rowHeight;
    if (code === MISSING) {
      surface.hatch(panel.x, y, panel.width, height, palette.hatch, palette.background);
      continue;
    }
    surface.rect(panel.x, y, panel.width, height, code === NON_FINITE ? palette.nonFinite : palette.healthy);
    if (code !== 0 && code !== NON_FINITE) {
      const off = track.at("gain_off", step, worstLayer(track, "gain_off", step, rows[index]));
      drawBar(surface, picture, panel, { off, code, y, height });
    }
  }
}

interface Bar {
  off: number;
  code: number;
  y: number;
  height: number;
}

function drawBar(surface: Surface, { palette }: Picture, panel: Panel, { off, code, y, height }: Bar): void {
  if (panel.width < NARROW) {
    surface.rect(panel.x, y, panel.width, height, colorOf(palette, code));
    return;
  }
  const half = panel.width / 2;
  const length = (Math.min(Math.abs(off), LONGEST) / LONGEST) * half;
  const start = off < 0 ? half - length : half;
  surface.rect(panel.x + start, y, length, height, colorOf(palette, code));
  const end = off < 0 ? start : start + length - 2;
  surface.rect(panel.x + end, y, 2, height, (off < 0 ? palette.small : palette.large)[3]);
}
