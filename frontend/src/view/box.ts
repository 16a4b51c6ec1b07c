// Positions and sizes as style values: Preact adds no unit to numbers.

type Side = "left" | "right" | "top" | "bottom" | "width" | "height" | "lineHeight";

export function box(sides: Partial<Record<Side, number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(sides).map(([side, pixels]) => [side, `${pixels}px`]));
}
