// One frame across all panels around the rows of each cause.

import type { Palette } from "../colour/palette.ts";
import type { Severity } from "../data/contract.ts";
import type { Picture, Window } from "./picture.ts";
import type { Surface } from "./surface.ts";

export function severityColor(palette: Palette, severity: Severity): string {
  return { error: palette.error, warning: palette.warning, info: palette.info }[severity];
}

export function drawBrackets(surface: Surface, picture: Picture, window: Window): void {
  const { columns, rowHeight, palette } = picture;
  for (const bracket of picture.brackets) {
    const color = severityColor(palette, bracket.severity);
    for (const [first, last] of bracket.spans) {
      if (last < window.first || first > window.last) continue;
      const y = window.top + first * rowHeight - 1.5;
      const height = (last - first + 1) * rowHeight + 2;
      const x = columns.gutter.x + columns.gutter.width;
      surface.outline(x, y, columns.end + 5 - x, height, color, bracket.marked ? 3 : 1.6);
    }
  }
}
