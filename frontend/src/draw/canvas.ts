// The surface of the screen and of the PNG.

import { MONO, type Point, SANS, type Surface, type TextOptions } from "./surface.ts";

export class CanvasSurface implements Surface {
  private readonly patterns = new Map<string, CanvasPattern | string>();

  constructor(private readonly context: CanvasRenderingContext2D) {}

  rect(x: number, y: number, width: number, height: number, fill: string): void {
    this.context.fillStyle = fill;
    this.context.fillRect(x, y, width, height);
  }

  outline(x: number, y: number, width: number, height: number, stroke: string, thickness: number): void {
    this.context.strokeStyle = stroke;
    this.context.lineWidth = thickness;
    this.context.strokeRect(x, y, width, height);
  }

  hatch(x: number, y: number, width: number, height: number, color: string, background: string): void {
    const key = color + background;
    let pattern = this.patterns.get(key);
    if (!pattern) {
      pattern = hatching(this.context, color, background);
      this.patterns.set(key, pattern);
    }
    this.context.fillStyle = pattern;
    this.context.fillRect(x, y, width, height);
  }

  line(points: readonly Point[], stroke: string, thickness: number, dashed = false): void {
    this.trace(points);
    this.stroke(stroke, thickness, dashed);
  }

  area(points: readonly Point[], fill: string): void {
    this.trace(points);
    this.context.fillStyle = fill;
    this.context.fill();
  }

  curve(from: Point, to: Point, stroke: string, thickness: number): void {
    const middle = (from[1] + to[1]) / 2;
    this.context.beginPath();
    this.context.moveTo(from[0], from[1]);
    this.context.bezierCurveTo(from[0], middle, to[0], middle, to[0], to[1]);
    this.stroke(stroke, thickness, false);
  }

  dot(x: number, y: number, radius: number, fill: string, stroke?: string): void {
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, 2 * Math.PI);
    this.context.fillStyle = fill;
    this.context.fill();
    if (stroke) this.stroke(stroke, 1.5, false);
  }

  text(x: number, y: number, text: string, { fill, size, anchor = "start", mono, bold }: TextOptions): void {
    this.context.font = `${bold ? "600 " : ""}${size}px ${mono ? MONO : SANS}`;
    this.context.textAlign = anchor === "middle" ? "center" : anchor;
    this.context.textBaseline = "alphabetic";
    this.context.fillStyle = fill;
    this.context.fillText(text, x, y);
  }

  private trace(points: readonly Point[]): void {
    this.context.beginPath();
    for (const [x, y] of points) this.context.lineTo(x, y);
  }

  private stroke(stroke: string, thickness: number, dashed: boolean): void {
    this.context.strokeStyle = stroke;
    this.context.lineWidth = thickness;
    this.context.setLineDash(dashed ? [3, 3] : []);
    this.context.stroke();
    this.context.setLineDash([]);
  }
}

function hatching(
  context: CanvasRenderingContext2D,
  color: string,
  background: string,
): CanvasPattern | string {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  if (!pen) return background;
  pen.fillStyle = background;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = color;
  pen.beginPath();
  for (const offset of [-6, 0, 6]) {
    pen.moveTo(offset - 1, 7);
    pen.lineTo(offset + 7, -1);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat") ?? background;
}
