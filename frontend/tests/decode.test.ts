import { describe, expect, it } from "vitest";
import { encoded } from "../dev/network.ts";
import { mlp } from "../dev/sample.ts";
import { completed, problemOf } from "../src/data/check.ts";
import type { RunData } from "../src/data/contract.ts";
import { floats, joined } from "../src/data/decode.ts";
import { Run } from "../src/data/run.ts";

describe("numbers", () => {
  it("keep zero, infinities and NaN", () => {
    const numbers = floats(
      encoded(Float32Array.of(0, 1.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN)),
    );
    expect([...numbers]).toEqual([0, 1.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]);
  });

  it("are not measured where they are missing or cut off", () => {
    expect([...joined([], 2)]).toEqual([Number.NaN, Number.NaN]);
    expect([...joined([encoded(Float32Array.of(7))], 2)]).toEqual([7, Number.NaN]);
    expect([...joined([encoded(Float32Array.of(1, 2)), encoded(Float32Array.of(3))], 3)]).toEqual([1, 2, 3]);
  });
});

describe("documents", () => {
  it("of another version are named in a sentence", () => {
    expect(problemOf({ version: 7 })).toContain("format version 7");
  });

  it("that are a message, incomplete or empty have a sentence", () => {
    expect(problemOf({ message: "The file is cut off." })).toBe("The file is cut off.");
    expect(problemOf(null)).toContain("not a JSON object");
    expect(problemOf({ version: 1 })).toContain("incomplete");
    expect(problemOf({ ...mlp(), steps: [] })).toContain("No step");
    expect(problemOf(mlp())).toBeNull();
  });

  it("of an older report get the fields that they lack", () => {
    const { notes, theory, thinned, ...older } = mlp();
    const data = completed(older as RunData);
    expect([data.notes, data.theory, data.thinned]).toEqual([[], [], null]);
    expect(notes.length + theory.length).toBeGreaterThan(0);
    expect(thinned).toBeNull();
  });
});

describe("a live run", () => {
  const part = (steps: number[], more: Partial<RunData> = {}): RunData => {
    const data = mlp();
    const rows = steps.flatMap((step) => data.layers.map((_, layer) => step * 100 + layer));
    return { ...data, steps, values: { forward: encoded(Float32Array.from(rows)) }, ...more };
  };

  it("grows by the steps that are new, and takes over the rest", () => {
    const longer = new Run(part([0, 1])).extended(part([2], { verdict: "unhealthy: 9 errors" }));
    expect(longer?.steps).toEqual([0, 1, 2]);
    expect(longer?.series("forward")[2 * 48 + 5]).toBe(205);
    expect(longer?.data.verdict).toBe("unhealthy: 9 errors");
  });

  it("is read again where the steps were thinned, the layers differ or steps repeat", () => {
    const run = new Run(part([0, 1]));
    expect(run.extended(part([2], { thinned: "every 2nd step" }))).toBeNull();
    expect(run.extended(part([2], { layers: mlp().layers.slice(1) }))).toBeNull();
    expect(run.extended(part([1, 2]))).toBeNull();
  });
});

describe("causes", () => {
  it("know their layers and what follows from them", () => {
    const [cause] = new Run(mlp()).causes;
    expect(cause.layers).toEqual([20, 21, 22, 23, 24, 25]);
    expect(cause.consequences.map(({ code }) => code)).toEqual(["IH201", "IH301"]);
  });

  it("that are suppressed do not count", () => {
    const data = mlp();
    data.findings[0].suppressed = "a test of small weights";
    const run = new Run(data);
    expect(run.active).toHaveLength(0);
    expect(run.isCause.some(Boolean)).toBe(false);
  });

  it("make other layers paler only where they name a layer", () => {
    const data = mlp();
    expect(new Run(data).hasCauses).toBe(true);
    data.findings[0].layers = [];
    expect(new Run(data).hasCauses).toBe(false);
  });

  it("that name a container have the layers inside it", () => {
    const run = new Run(mlp());
    expect(run.layersOf("layers")).toHaveLength(48);
    expect(run.layersOf("no.such.layer")).toEqual([]);
  });
});
