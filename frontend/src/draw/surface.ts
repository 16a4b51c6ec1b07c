// What the picture is drawn on. The screen and the PNG are a canvas; the SVG gets the same calls.

export type Point = readonly [number, number];

export interface Surface {
  rect(x: number, y: number, width: number, height: number, fill: string): void;
  outline(x: number, y: number, width: number, height: number, stroke: string, thickness: number): void;
  hatch(x: number, y: number, width: number, height: number, color: string, background: string): void;
  line(points: readonly Point[], stroke: string, thickness: number, dashed?: boolean): void;
  area(points: readonly Point[], fill: string): void;
  curve(from: Point, to: Point, stroke: string, thickness: number): void; // leaves and arrives vertically
  dot(x: number, y: number, radius: number, fill: string, stroke?: string): void;
  text(x: number, y: number, text: string, options: TextOptions): void;
}

export interface TextOptions {
  fill: string;
  size: number;
  anchor?: "start" | "middle" | "end";
  mono?: boolean;
  bold?: boolean;
}

export const SANS =
  'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif';
export const MONO =
  'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';
