import { describe, expect, it } from "vitest";
import { classOf, MISSING, NON_FINITE } from "../src/colour/classes.ts";
import { colorOf, DARK, LIGHT, type Palette } from "../src/colour/palette.ts";
import { contrast, difference, KINDS, seenBy } from "./blindness.ts";

describe("classes", () => {
  it("are flat within an octave, and four to each side", () => {
    expect([-9, -5, -3, -1.5, -1, 0, 1, 1.5, 3, 5, 9].map((off) => classOf(off))).toEqual([
      -4, -3, -2, -1, 0, 0, 0, 1, 2, 3, 4,
    ]);
  });

  it("know zero, not finite and not measured", () => {
    expect(
      [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN].map((off) => classOf(off)),
    ).toEqual([-4, NON_FINITE, MISSING]);
  });

  it("change only beyond a margin, so that noise at an edge does not flicker", () => {
    let code = classOf(0.95);
    const seen = [1.05, 0.95, 1.1, 1.2, 0.95, 0.9, 0.8].map((off) => {
      code = classOf(off, code);
      return code;
    });
    expect(seen).toEqual([0, 0, 0, 1, 1, 1, 0]);
  });

  it("do not carry a margin to the other side", () => {
    expect(classOf(-1.2, 1)).toBe(-1);
    expect(classOf(-0.95, 2)).toBe(0);
  });
});

// Classes in the order of the legend; not finite is apart.
const CODES = [-4, -3, -2, -1, 0, 1, 2, 3, 4];

describe.each([
  ["light", LIGHT],
  ["dark", DARK],
] as [string, Palette][])("the %s palette", (_, palette) => {
  const colors = (isPale: boolean) => CODES.map((code) => colorOf(palette, code, isPale));

  it.each(["normal", ...KINDS] as const)("keeps neighboring classes apart for %s vision", (kind) => {
    const seen = colors(false).map((color) => seenBy(kind, color));
    for (let index = 1; index < seen.length; index++)
      expect(difference(seen[index - 1], seen[index])).toBeGreaterThan(7);
  });

  it.each(["normal", ...KINDS] as const)("keeps too small and too large apart for %s vision", (kind) => {
    for (const level of [1, 2, 3, 4]) {
      const [small, large] = [-level, level].map((code) => seenBy(kind, colorOf(palette, code)));
      expect(difference(small, large)).toBeGreaterThan(15);
    }
  });

  it.each(["normal", ...KINDS] as const)("keeps not finite apart from every class for %s vision", (kind) => {
    const nonFinite = seenBy(kind, palette.nonFinite);
    for (const color of colors(false)) expect(difference(nonFinite, seenBy(kind, color))).toBeGreaterThan(20);
  });

  it.each(["normal", ...KINDS] as const)("shows a pale class that is off as off for %s vision", (kind) => {
    const healthy = seenBy(kind, palette.healthy);
    for (const code of CODES.filter((each) => each !== 0))
      expect(difference(seenBy(kind, colorOf(palette, code, true)), healthy)).toBeGreaterThan(4);
  });

  it("is paler for what is not a cause: nearer to healthy", () => {
    for (const code of CODES.filter((each) => each !== 0)) {
      const distance = (isPale: boolean) =>
        difference(seenBy("normal", colorOf(palette, code, isPale)), seenBy("normal", palette.healthy));
      expect(distance(true)).toBeLessThan(distance(false));
    }
  });

  it("has text that can be read", () => {
    for (const color of [
      palette.text,
      palette.muted,
      palette.error,
      palette.warning,
      palette.info,
      palette.good,
      palette.link,
    ]) {
      for (const ground of [palette.background, palette.card, palette.panel])
        expect(contrast(color, ground)).toBeGreaterThan(4.5);
    }
  });
});
