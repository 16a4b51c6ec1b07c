// Files of the picture and of the numbers.

import type { Cause, Run } from "../data/run.ts";
import { CanvasSurface } from "../draw/canvas.ts";
import type { Picture } from "../draw/picture.ts";
import { SvgSurface } from "../draw/svg.ts";
import { csvOf } from "./csv.ts";
import { type Figure, figureOf } from "./figure.ts";

const LARGEST = 16_000; // pixels of a canvas that every browser can draw

export async function savePicture(
  picture: Picture,
  causes: readonly Cause[],
  format: "png" | "svg",
): Promise<void> {
  const figure = figureOf(picture, causes);
  const blob = format === "svg" ? svgOf(figure) : await pngOf(figure);
  if (blob) save(blob, `${nameOf(picture.run)}.${format}`);
}

export function saveTable(run: Run, step: number): void {
  save(new Blob([csvOf(run, step)], { type: "text/csv" }), `${nameOf(run)}.csv`);
}

function svgOf(figure: Figure): Blob {
  const surface = new SvgSurface();
  figure.draw(surface);
  return new Blob([surface.document(figure.width, figure.height)], { type: "image/svg+xml" });
}

function pngOf(figure: Figure): Promise<Blob | null> {
  const density = Math.min(2, LARGEST / figure.height, LARGEST / figure.width);
  const canvas = document.createElement("canvas");
  canvas.width = Math.floor(figure.width * density);
  canvas.height = Math.floor(figure.height * density);
  const context = canvas.getContext("2d");
  if (!context) return Promise.resolve(null);
  context.scale(density, density);
  figure.draw(new CanvasSurface(context));
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function nameOf(run: Run): string {
  return `init-health-${run.data.run || run.data.model}`.replace(/[^\w.-]+/g, "-").slice(0, 80);
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
