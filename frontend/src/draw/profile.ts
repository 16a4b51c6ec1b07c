// The level of the signal by layer, with the healthy band and the band that theory predicts from the actual weights.
// Inside grey but outside green: the initialization is wrong. Outside grey: something else is.

import { classOf, NON_FINITE } from "../colour/classes.ts";
import type { Palette } from "../colour/palette.ts";
import type { Panel } from "../layout/columns.ts";
import { linear, type Scale } from "../layout/scale.ts";
import { type Level, levelOf } from "./levels.ts";
import type { Picture, Window } from "./picture.ts";
import type { Point, Surface } from "./surface.ts";

export const HEALTHY = 1; // octaves on both sides of what is expected
const JUMP = 1.5; // octaves between two healthy layers above which the line is only a guide for the eye
const THEORY = 0.5; // 99.96 % of measured layers are as near to the prediction

export function profileScale(panel: Panel, levels: [number, number]): Scale {
  return linear(levels, [panel.x + 3, panel.x + panel.width - 3]);
}

/** Whole octaves for the axis, as many as have room. */
export function levelTicks(scale: Scale, panel: Panel): number[] {
  return scale.ticks(Math.max(2, panel.width / 55)).filter(Number.isInteger);
}

/** Whether a tick is written as a power of two: as a number it would be too long. */
export function isPower(tick: number): boolean {
  return tick < -3 || tick > 6;
}

interface Spot extends Level {
  y: number;
  x: number;
}

export function drawProfile(surface: Surface, picture: Picture, window: Window, panel: Panel): void {
  const { palette, rowHeight, rows } = picture;
  const track = picture.tracks[panel.track];
  const scale = profileScale(panel, picture.levels);
  const [first, last] = [Math.max(0, window.first - 1), Math.min(rows.length - 1, window.last + 1)];
  const spots: Spot[] = [];
  for (let index = first; index <= last; index++) {
    const level = levelOf(track, picture.steps[panel.track], rows[index]);
    spots.push({ ...level, y: window.top + (index + 0.5) * rowHeight, x: scale(level.value) });
  }
  const height = (window.last - window.first + 1) * rowHeight - 1;
  surface.rect(panel.x, window.top + window.first * rowHeight, panel.width, height, palette.panel);
  for (const spot of spots.filter(
    ({ y }) => y > window.top + window.first * rowHeight && y < window.top + (window.last + 1) * rowHeight,
  )) {
    drawBand(surface, spot.expected, HEALTHY, spot.y, { scale, fill: palette.band, rowHeight });
    drawBand(surface, spot.theory, THEORY, spot.y, { scale, fill: palette.theory, rowHeight });
  }
  drawLine(surface, spots, scale, palette, rowHeight);
}

/** The band of one row. It has steps: between layers of different kinds, as a norm and a projection, nothing is expected. */
function drawBand(
  surface: Surface,
  middle: number | null,
  half: number,
  y: number,
  { scale, fill, rowHeight }: { scale: Scale; fill: string; rowHeight: number },
): void {
  if (middle === null) return;
  const [from, to] = [scale(middle - half), scale(middle + half)];
  surface.rect(from, y - rowHeight / 2, Math.max(1, to - from), rowHeight, fill);
}

function drawLine(
  surface: Surface,
  spots: readonly Spot[],
  scale: Scale,
  palette: Palette,
  rowHeight: number,
): void {
  for (const part of unbroken(spots, (spot) => Number.isFinite(spot.value))) {
    for (let index = 1; index < part.length; index++) {
      const [from, to] = [part[index - 1], part[index]];
      const isGuide = Math.abs(from.value - to.value) > JUMP && isHealthy(from) && isHealthy(to);
      const points: Point[] = [
        [from.x, from.y],
        [to.x, to.y],
      ];
      surface.line(points, isGuide ? palette.hatch : colorOfLevel(palette, to), isGuide ? 1 : 2);
    }
  }
  const radius = rowHeight >= 12 ? 2.5 : 1.5;
  for (const spot of spots) {
    if (Number.isNaN(spot.value)) continue;
    if (spot.low < spot.high)
      surface.line(
        [
          [scale(spot.low), spot.y],
          [scale(spot.high), spot.y],
        ],
        palette.muted,
        1,
      );
    surface.dot(
      spot.x,
      spot.y,
      Number.isFinite(spot.value) ? radius : radius + 1,
      colorOfLevel(palette, spot),
    );
  }
}

function isHealthy({ value, expected }: Level): boolean {
  return expected !== null && classOf(value - expected) === 0;
}

function colorOfLevel(palette: Palette, level: Level): string {
  if (level.value === Number.POSITIVE_INFINITY) return palette.nonFinite;
  if (level.value === Number.NEGATIVE_INFINITY) return palette.small[2];
  if (level.expected === null) return palette.muted;
  const code = classOf(level.value - level.expected);
  if (code === 0) return palette.good;
  return code === NON_FINITE ? palette.nonFinite : code < 0 ? palette.small[2] : palette.large[2];
}

/** Splits spots where `has` is false: a line across unknown values would be invented. */
function unbroken(spots: readonly Spot[], has: (spot: Spot) => boolean): Spot[][] {
  const parts: Spot[][] = [];
  let open = false;
  for (const spot of spots) {
    if (!has(spot)) open = false;
    else if (open) parts[parts.length - 1].push(spot);
    else {
      parts.push([spot]);
      open = true;
    }
  }
  return parts;
}
