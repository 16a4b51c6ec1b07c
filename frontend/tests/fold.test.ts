import { describe, expect, it } from "vitest";
import { layerOf } from "../dev/network.ts";
import { deep, gpt, mlp, nan } from "../dev/sample.ts";
import { MISSING } from "../src/colour/classes.ts";
import type { LayerData } from "../src/data/contract.ts";
import { Run } from "../src/data/run.ts";
import { type Track, trackOf } from "../src/data/track.ts";
import { type Row, rowsOf, rowWith, spansOf } from "../src/fold/rows.ts";
import { treeOf } from "../src/fold/tree.ts";
import { binsOf, classesOf, worstClass, worstLayer } from "../src/fold/worst.ts";

function rows(
  layers: LayerData[],
  more: { opened?: string[]; closed?: string[]; causes?: number[] } = {},
): Row[] {
  const { opened = [], closed = [], causes = [] } = more;
  return rowsOf({
    items: treeOf(layers),
    layers: layers.length,
    opened: new Set(opened),
    closed: new Set(closed),
    causes,
  });
}

const labels = (of: Row[]) => of.map((row) => row.label);

describe("folding", () => {
  it("shows every layer of a network of up to 60", () => {
    expect(rows(mlp().layers)).toHaveLength(48);
  });

  it("folds the blocks of a GPT to one row each, and leaves the rest", () => {
    const folded = rows(gpt(true).layers);
    expect(labels(folded).slice(0, 4)).toEqual([
      "transformer.wte",
      "transformer.wpe",
      "transformer.h.0",
      "transformer.h.1",
    ]);
    expect(folded).toHaveLength(16);
    expect(folded.reduce((sum, row) => sum + row.end - row.start, 0)).toBe(76);
  });

  it("unfolds the block of a cause, and what the user opens", () => {
    const { layers } = gpt(true);
    expect(labels(rows(layers, { causes: [34] }))).toContain("transformer.h.5.attn.c_attn");
    expect(labels(rows(layers, { opened: ["transformer.h.1"] }))).toContain("transformer.h.1.ln_1");
    expect(rows(layers, { causes: [34], closed: ["transformer.h.5"] })).toHaveLength(16);
  });

  it("bundles blocks until the rows fit, and keeps a block with a cause alone", () => {
    const { layers } = deep(1000, 1);
    const folded = rows(layers, { causes: [3000] });
    expect(folded.length).toBeLessThan(60);
    expect(labels(folded)).toContain("blocks.300.norm1");
    expect(folded[0].label).toBe("blocks.0 … 24");
    expect(folded.every((row, index) => index === 0 || row.start === folded[index - 1].end)).toBe(true);
  });

  it("does not fold blocks that differ", () => {
    const layers = Array.from({ length: 70 }, (_, index) =>
      layerOf(`blocks.${index}.${index % 2 ? "a" : `b${index}`}.w`, index % 2 ? "conv" : "linear"),
    );
    expect(rows(layers)).toHaveLength(70);
  });

  it("finds a period in a flat sequence", () => {
    const items = treeOf(nan().layers);
    expect(items[0]).toHaveLength(12);
    expect(items[0][0].end - items[0][0].start).toBe(2);
  });

  it("keeps layers of one module apart", () => {
    const layers = ["rnn.weight_ih", "rnn.weight_hh", "head", "head"].map((name) => layerOf(name, "rnn"));
    expect(rows(layers)).toHaveLength(4);
  });
});

describe("rows", () => {
  it("are found by layer, and spans join neighbors", () => {
    const folded = rows(gpt(true).layers);
    expect(rowWith(folded, 0)).toBe(0);
    expect(rowWith(folded, 75)).toBe(15);
    expect(rowWith(folded, 99)).toBe(-1);
    expect(spansOf(folded, [2, 3, 8, 20, 75])).toEqual([
      [2, 3],
      [5, 5],
      [15, 15],
    ]);
  });
});

function trackWith(values: number[][], causes: number[] = []): Track {
  const track = trackOf(new Run(mlp()));
  return {
    ...track,
    steps: values.map((_, index) => index),
    isCause: Uint8Array.from({ length: values[0].length }, (_, layer) => (causes.includes(layer) ? 1 : 0)),
    values: (_, step) => Float32Array.from(values[step]),
    at: (_, step, layer) => values[step][layer],
  };
}

describe("a folded row", () => {
  it("shows the worst layer: not finite before zero before far before near before not measured", () => {
    const all = [Number.NaN, 0.5, -3, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let count = 1; count <= all.length; count++) {
      expect(worstLayer(trackWith([all.slice(0, count)]), "forward_off", 0, { start: 0, end: count })).toBe(
        count - 1,
      );
    }
  });

  it("is healthy up to a limit that grows with the number of layers, except with a cause", () => {
    const off = [1.3, ...Array.from({ length: 15 }, () => 0)];
    const row = { start: 0, end: 16 };
    expect([...classesOf(trackWith([off]), "forward_off", row)]).toEqual([0]);
    expect([...classesOf(trackWith([off], [0]), "forward_off", row)]).toEqual([1]);
    expect([...classesOf(trackWith([off]), "forward_off", { start: 0, end: 1 })]).toEqual([1]);
  });

  it("is not measured only where no layer is", () => {
    expect([
      ...classesOf(trackWith([[Number.NaN, Number.NaN]]), "forward_off", { start: 0, end: 2 }),
    ]).toEqual([MISSING]);
  });
});

describe("thinning", () => {
  it("covers all steps once, and shows the worst of each bin", () => {
    const bins = binsOf(1000, 133);
    expect(bins).toHaveLength(133);
    expect(bins[0][0]).toBe(0);
    expect(bins[132][1]).toBe(1000);
    expect(
      bins.every(([first, end], index) => first < end && (index === 0 || first === bins[index - 1][1])),
    ).toBe(true);
    expect(worstClass(Int8Array.of(0, -1, 3, MISSING), [0, 4])).toBe(3);
  });
});
