// The whole picture for a file: verdict, titles, names, panels, and the causes in words below.

import { colorOf } from "../colour/palette.ts";
import type { Cause } from "../data/run.ts";
import { severityColor } from "../draw/brackets.ts";
import { drawPicture, type Picture } from "../draw/picture.ts";
import { isPower, levelTicks, profileScale } from "../draw/profile.ts";
import type { Surface } from "../draw/surface.ts";
import { shortened } from "../layout/describe.ts";
import { count, number, testOf } from "../layout/words.ts";

const HEAD = 96; // above the rows
const LINE = 16;
const MARGIN = 16;

export interface Figure {
  width: number;
  height: number;
  draw(surface: Surface): void;
}

export function figureOf(picture: Picture, causes: readonly Cause[]): Figure {
  const width = picture.columns.end + 2 * MARGIN;
  const words = causes.map((cause) => wordsOf(cause, Math.floor((width - 2 * MARGIN) / 6.6)));
  const rowsEnd = HEAD + picture.rows.length * picture.rowHeight;
  const height = rowsEnd + 48 + words.reduce((sum, lines) => sum + lines.length * LINE + 12, 0);
  return {
    width,
    height,
    draw(surface) {
      surface.rect(0, 0, width, height, picture.palette.background);
      const moved = shifted(surface, MARGIN);
      drawHead(moved, picture);
      drawNames(moved, picture);
      drawPicture(moved, picture, { first: 0, last: picture.rows.length - 1, top: HEAD });
      drawLegend(moved, picture, rowsEnd + 22);
      drawWords(moved, picture, causes, words, rowsEnd + 54);
    },
  };
}

/** A surface that draws `by` pixels further to the right. */
function shifted(to: Surface, by: number): Surface {
  return {
    rect: (x, ...rest) => to.rect(x + by, ...rest),
    outline: (x, ...rest) => to.outline(x + by, ...rest),
    hatch: (x, ...rest) => to.hatch(x + by, ...rest),
    line: (points, ...rest) =>
      to.line(
        points.map(([x, y]) => [x + by, y]),
        ...rest,
      ),
    area: (points, ...rest) =>
      to.area(
        points.map(([x, y]) => [x + by, y]),
        ...rest,
      ),
    curve: (from, end, ...rest) => to.curve([from[0] + by, from[1]], [end[0] + by, end[1]], ...rest),
    dot: (x, ...rest) => to.dot(x + by, ...rest),
    text: (x, ...rest) => to.text(x + by, ...rest),
  };
}

function drawHead(surface: Surface, picture: Picture): void {
  const { palette, run, columns, tracks, steps } = picture;
  const { healthy, verdict, model } = run.data;
  const color = healthy === null ? palette.muted : healthy ? palette.good : palette.error;
  surface.text(0, 26, verdict.charAt(0).toUpperCase() + verdict.slice(1), {
    fill: color,
    size: 18,
    bold: true,
  });
  const facts = [
    model,
    run.data.run,
    count(run.layers.length, "layer"),
    `step ${tracks[0].steps[steps[0]]}`,
    run.data.optimizer,
  ];
  surface.text(0, 46, facts.filter(Boolean).join(" · "), { fill: palette.muted, size: 12 });
  const titles = {
    gain: "Gain",
    profile: "Signal",
    forward: "Forward",
    gradient: "Gradient",
    update: "Update",
  };
  for (const panel of columns.panels) {
    const last = tracks[panel.track].steps.at(-1) ?? 0;
    const detail =
      panel.kind === "forward" || panel.kind === "gradient"
        ? `step 0 to ${last}`
        : panel.kind === "update"
          ? "1e-6 to 1"
          : "";
    surface.text(panel.x, 74, titles[panel.kind], { fill: palette.text, size: 12, bold: true });
    if (tracks.length > 1 && panel.kind === "gain")
      surface.text(panel.x, 60, tracks[panel.track].label, { fill: palette.text, size: 11 });
    surface.text(panel.x, 89, detail, { fill: palette.muted, size: 10 });
    if (panel.kind !== "profile") continue;
    const scale = profileScale(panel, picture.levels);
    const words = (tick: number) => (isPower(tick) ? `2^${tick}` : number(2 ** tick));
    for (const tick of levelTicks(scale, panel))
      surface.text(scale(tick), 89, words(tick), { fill: palette.muted, size: 10, anchor: "middle" });
  }
}

function drawNames(surface: Surface, { rows, rowHeight, palette, columns }: Picture): void {
  const characters = Math.floor((columns.names - 8) / 6.7);
  rows.forEach((row, index) => {
    const layers = row.end - row.start;
    const label =
      layers > 1 ? `${shortened(row.label, characters - 5)} ×${layers}` : shortened(row.label, characters);
    const y = HEAD + (index + 0.5) * rowHeight + 4;
    surface.text(columns.names - 6, y, label, { fill: palette.text, size: 11, anchor: "end", mono: true });
  });
}

function drawLegend(surface: Surface, { palette }: Picture, y: number): void {
  const words = ["÷256", "÷16", "÷4", "÷2", "healthy", "×2", "×4", "×16", "×256"];
  let x = 0;
  words.forEach((word, index) => {
    surface.rect(x, y - 10, 14, 12, colorOf(palette, index - 4));
    surface.text(x + 18, y, word, { fill: palette.muted, size: 11 });
    x += 28 + word.length * 7;
  });
  surface.rect(x, y - 10, 14, 12, palette.nonFinite);
  surface.text(x + 18, y, "NaN or infinite", { fill: palette.muted, size: 11 });
}

function wordsOf({ finding }: Cause, characters: number): string[] {
  const parts = [
    `${finding.severity} ${finding.code}: ${finding.message}`,
    finding.cause,
    finding.fix && `fix: ${finding.fix}`,
    finding.fix && testOf(finding) && `test: ${testOf(finding)?.words}`,
  ];
  return parts
    .flatMap((part) => part || [])
    .flatMap((part) => part.split("\n"))
    .flatMap((part) => wrapped(part, characters));
}

function wrapped(text: string, characters: number): string[] {
  const indent = /^ */.exec(text)?.[0].replaceAll(" ", "\u00a0") ?? ""; // SVG joins usual spaces
  const lines: string[] = [indent];
  for (const word of text.trim().split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== indent && last.length + word.length + 1 > characters)
      lines.push(`${indent}\u00a0\u00a0${word}`);
    else lines[lines.length - 1] = last === indent ? indent + word : `${last} ${word}`;
  }
  return lines;
}

function drawWords(
  surface: Surface,
  picture: Picture,
  causes: readonly Cause[],
  words: string[][],
  top: number,
): void {
  let y = top;
  words.forEach((lines, index) => {
    const color = severityColor(picture.palette, causes[index].finding.severity);
    surface.rect(0, y - 12, 4, lines.length * LINE, color);
    for (const line of lines) {
      surface.text(12, y, line, { fill: picture.palette.text, size: 12 });
      y += LINE;
    }
    y += 12;
  });
}
