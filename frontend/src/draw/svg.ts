// The surface of the SVG: the same picture as text. All text in it is escaped.

import { MONO, type Point, SANS, type Surface, type TextOptions } from "./surface.ts";

export class SvgSurface implements Surface {
  private readonly parts: string[] = [];
  private readonly patterns = new Map<string, string>();

  rect(x: number, y: number, width: number, height: number, fill: string): void {
    this.parts.push(`<rect ${box(x, y, width, height)} fill="${fill}"/>`);
  }

  outline(x: number, y: number, width: number, height: number, stroke: string, thickness: number): void {
    this.parts.push(
      `<rect ${box(x, y, width, height)} fill="none" stroke="${stroke}" stroke-width="${thickness}"/>`,
    );
  }

  hatch(x: number, y: number, width: number, height: number, color: string, background: string): void {
    const key = `hatch-${color.slice(1)}-${background.slice(1)}`;
    const line = `<path d="M-1 7 7 -1 M-7 7 1 -1 M5 7 13 -1" stroke="${color}"/>`;
    const ground = `<rect width="6" height="6" fill="${background}"/>`;
    this.patterns.set(
      key,
      `<pattern id="${key}" width="6" height="6" patternUnits="userSpaceOnUse">${ground}${line}</pattern>`,
    );
    this.parts.push(`<rect ${box(x, y, width, height)} fill="url(#${key})"/>`);
  }

  line(points: readonly Point[], stroke: string, thickness: number, dashed = false): void {
    const dashes = dashed ? ' stroke-dasharray="3 3"' : "";
    this.parts.push(
      `<polyline points="${list(points)}" fill="none" stroke="${stroke}" stroke-width="${thickness}"${dashes}/>`,
    );
  }

  area(points: readonly Point[], fill: string): void {
    this.parts.push(`<polygon points="${list(points)}" fill="${fill}"/>`);
  }

  curve(from: Point, to: Point, stroke: string, thickness: number): void {
    const middle = round((from[1] + to[1]) / 2);
    const path = `M${list([from])}C${round(from[0])},${middle} ${round(to[0])},${middle} ${list([to])}`;
    this.parts.push(`<path d="${path}" fill="none" stroke="${stroke}" stroke-width="${thickness}"/>`);
  }

  dot(x: number, y: number, radius: number, fill: string, stroke?: string): void {
    const line = stroke ? ` stroke="${stroke}" stroke-width="1.5"` : "";
    this.parts.push(`<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${fill}"${line}/>`);
  }

  text(x: number, y: number, text: string, { fill, size, anchor = "start", mono, bold }: TextOptions): void {
    const font = `font-family='${mono ? MONO : SANS}' font-size="${size}"${bold ? ' font-weight="600"' : ""}`;
    this.parts.push(
      `<text x="${round(x)}" y="${round(y)}" fill="${fill}" text-anchor="${anchor}" ${font}>${escaped(text)}</text>`,
    );
  }

  /** Returns the document. */
  document(width: number, height: number): string {
    const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
    const patterns = `<defs>${[...this.patterns.values()].join("")}</defs>`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${patterns}${this.parts.join("\n")}</svg>\n`;
  }
}

export function escaped(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function box(x: number, y: number, width: number, height: number): string {
  return `x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;
}

function list(points: readonly Point[]): string {
  return points.map(([x, y]) => `${round(x)},${round(y)}`).join(" ");
}
