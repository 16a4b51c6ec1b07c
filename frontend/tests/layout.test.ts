import { describe, expect, it } from "vitest";
import { layerOf } from "../dev/network.ts";
import { deep, gpt, mlp, residual } from "../dev/sample.ts";
import { Run } from "../src/data/run.ts";
import { measuredStep } from "../src/data/track.ts";
import { placeCards } from "../src/layout/cards.ts";
import { lineOf, thinned } from "../src/layout/chart.ts";
import { columnsOf } from "../src/layout/columns.ts";
import { shortened } from "../src/layout/describe.ts";
import { lanesOf } from "../src/layout/lanes.ts";
import { distance, number } from "../src/layout/words.ts";
import { causesOf, filtered } from "../src/state/causes.ts";
import { outside, startRuns, startStep, stepIndices, tracksOf } from "../src/state/prepared.ts";
import { spreadOf } from "../src/state/spread.ts";
import { START } from "../src/state/view.ts";

describe("cards", () => {
  const overlap = (tops: number[], heights: number[]) =>
    tops.some((top, index) => index > 0 && top < tops[index - 1] + heights[index - 1] + 10);

  it("are where they should be if there is room", () => {
    expect(
      placeCards(
        [
          { want: 40, height: 100 },
          { want: 300, height: 100 },
        ],
        10,
        500,
      ),
    ).toEqual([40, 300]);
  });

  it("never overlap", () => {
    const heights = [100, 80, 120, 60];
    const tops = placeCards(
      heights.map((height) => ({ want: 50, height })),
      10,
      900,
    );
    expect(tops[0]).toBe(50);
    expect(overlap(tops, heights)).toBe(false);
  });

  it("move up where the last would end below the picture", () => {
    const heights = [100, 100];
    const tops = placeCards(
      [
        { want: 380, height: 100 },
        { want: 390, height: 100 },
      ],
      10,
      500,
    );
    expect(tops).toEqual([290, 400]);
    expect(overlap(tops, heights)).toBe(false);
  });

  it("begin at the top where they are higher than the picture", () => {
    expect(
      placeCards(
        [
          { want: 20, height: 400 },
          { want: 30, height: 400 },
        ],
        10,
        500,
      ),
    ).toEqual([0, 410]);
  });
});

describe("columns", () => {
  const request = {
    longestName: 12,
    lanes: 1,
    tracks: 1,
    layout: "run" as const,
    hasCards: true,
    hasUpdates: true,
  };

  it.each([800, 1000, 1100, 1400, 1600])("fit a width of %i and do not overlap", (width) => {
    for (const tracks of [1, 2, 3, 4]) {
      const { panels, names, gutter, cards, end } = columnsOf({
        ...request,
        width,
        tracks,
        layout: tracks > 1 ? ("runs" as const) : ("run" as const),
      });
      expect(panels[0].x).toBeGreaterThanOrEqual(names + gutter.width);
      for (let index = 1; index < panels.length; index++)
        expect(panels[index].x).toBeGreaterThanOrEqual(panels[index - 1].x + panels[index - 1].width);
      if (tracks <= 2) expect(end).toBeLessThanOrEqual(cards ? cards.x : width);
      expect(panels.every((panel) => panel.width >= 18)).toBe(true);
    }
  });

  it.each([640, 800, 1100, 1280, 1600])("are the same before and after at a width of %i", (width) => {
    const { panels, cards, end } = columnsOf({ ...request, width, tracks: 2, layout: "fixes" });
    const [before, after] = [0, 1].map((track) => panels.filter((panel) => panel.track === track));
    expect(before.map(({ kind, width }) => [kind, width])).toEqual(
      after.map(({ kind, width }) => [kind, width]),
    );
    expect(before.map(({ kind }) => kind)).toEqual(["gain", "profile", "forward", "gradient"]);
    for (let index = 1; index < panels.length; index++)
      expect(panels[index].x).toBeGreaterThanOrEqual(panels[index - 1].x + panels[index - 1].width);
    expect(end).toBeLessThanOrEqual(cards ? cards.x : width);
    expect(panels.every((panel) => panel.width >= 18)).toBe(true);
  });

  it("put the cards above where it is narrow", () => {
    expect(columnsOf({ ...request, width: 800 }).cards).toBeNull();
    expect(columnsOf({ ...request, width: 1100 }).cards).not.toBeNull();
  });
});

describe("lanes", () => {
  it("have one branch for each residual block", () => {
    const { branches, laneOf, count } = lanesOf(residual().layers);
    expect(branches).toHaveLength(15);
    expect(branches[0]).toEqual({ start: 1, end: 3, lane: 1 });
    expect([laneOf[0], laneOf[2], laneOf[47], count]).toEqual([0, 1, 0, 1]);
  });

  it("have two branches for each block of a GPT", () => {
    expect(lanesOf(gpt(true).layers).branches).toHaveLength(24);
  });

  it("keep parallel branches apart", () => {
    const inside = { bypassable: true };
    const layers = [
      layerOf("a", "norm", { ...inside, readsTrunk: true }),
      layerOf("b", "linear", { ...inside, readsTrunk: true }),
      layerOf("c", "linear", { ...inside, endsBranch: true }),
      layerOf("d", "linear", { ...inside, endsBranch: true }),
    ];
    expect(lanesOf(layers).branches.map(({ lane }) => lane)).toEqual([1, 2]);
  });

  it("end a branch without a known end where the next begins, and take a last norm in", () => {
    const inside = { bypassable: true };
    const layers = [
      layerOf("0.conv1", "conv", { ...inside, readsTrunk: true }),
      layerOf("0.conv2", "conv", { ...inside, endsBranch: true }),
      layerOf("0.bn2", "norm", inside),
      layerOf("1.conv1", "conv", { ...inside, readsTrunk: true }),
      layerOf("1.short", "conv", inside),
      layerOf("2.conv1", "conv", { ...inside, readsTrunk: true }),
    ];
    expect(lanesOf(layers).branches).toEqual([
      { start: 0, end: 2, lane: 1 },
      { start: 3, end: 4, lane: 1 },
      { start: 5, end: 5, lane: 1 },
    ]);
  });

  it("have no branch without structure", () => {
    expect(lanesOf(mlp().layers)).toMatchObject({ branches: [], count: 0 });
  });
});

describe("lines", () => {
  it("break where nothing was measured, and mark what is not finite or zero", () => {
    const line = lineOf(Float32Array.of(1, 2, Number.NaN, 4, Number.POSITIVE_INFINITY, 0), true, 100);
    expect(line.parts.map((part) => part.length)).toEqual([2, 1]);
    expect([line.nonFinite, line.zeros]).toEqual([[0.8], [1]]);
  });

  it("keep every peak when thinned", () => {
    const values = Array.from({ length: 10_000 }, (_, index) =>
      index === 7_777 ? 99 : index === 333 ? -5 : Math.sin(index),
    );
    const kept = thinned(values, 100);
    expect(kept.length).toBeLessThanOrEqual(200);
    expect(kept).toContain(7_777);
    expect(kept).toContain(333);
  });
});

describe("words", () => {
  it("give three digits", () => {
    expect([0, 1, 0.088388, 1234.5, 123456, 0.00012345].map(number)).toEqual([
      "0",
      "1",
      "0.0884",
      "1230",
      "1.23e5",
      "1.23e-4",
    ]);
  });

  it("give distances", () => {
    expect(distance(-1.5)).toBe("2.83x too small");
    expect(distance(0.2)).toBe("healthy (1.15x above expected)");
    expect(distance(Number.NEGATIVE_INFINITY)).toBe("exactly zero");
    expect(distance(3, true)).toBe("8x larger");
  });

  it("keep the end of a long name", () => {
    expect(shortened("transformer.h.11.attn.c_attn", 12)).toBe("…attn.c_attn");
  });
});

describe("what is shown first", () => {
  it("is the step of the first open error", () => {
    const data = mlp();
    data.findings[0].step = 30;
    expect(startStep(new Run(data))).toBe(30);
    data.findings[0].closed = 40;
    expect(startStep(new Run(data))).toBe(0);
  });

  it("starts with a run that is unhealthy", () => {
    const entry = (run: string, healthy: boolean | null) => ({ run, healthy, lastStep: 0, verdict: "" });
    const [unread, healthy, unhealthy] = [entry("a", null), entry("b", true), entry("c", false)];
    expect(startRuns([unread, healthy, unhealthy])).toEqual(["c"]);
    expect(startRuns([unread, healthy])).toEqual(["b"]);
    expect(startRuns([unread])).toEqual(["a"]);
    expect(startRuns([])).toEqual([]);
  });

  it("counts the layers that are off, and how far a cause spreads", () => {
    const run = new Run(mlp());
    const [track] = tracksOf([run], false);
    expect(outside(track, 0, 48)).toBe(48);
    expect(outside(tracksOf([new Run(residual())], false)[0], 0, 48)).toBe(0);
    const spread = spreadOf(run.causes[0], run, track, 0);
    expect(spread?.total).toBe(42);
    expect(spread?.downstream).toMatch(/^22 layers: forward signal up to \d+x too small$/);
    expect(spread?.upstream).toMatch(/^20 layers: gradient up to/);
  });

  it("filters causes by severity", () => {
    const run = new Run(gpt(false));
    expect(filtered(causesOf([run]), START)).toHaveLength(2);
    expect(
      filtered(causesOf([run]), { ...START, severities: ["warning"] }).map(({ finding }) => finding.code),
    ).toEqual(["IH112"]);
  });
});

describe("a statistic that is measured at few steps", () => {
  it("is shown at the nearest of them", () => {
    const [track] = tracksOf([new Run(mlp())], false);
    expect(measuredStep(track, "update", 0)).toBe(1);
    expect(measuredStep(track, "forward", 7)).toBe(7);
    expect(measuredStep(tracksOf([new Run({ ...mlp(), values: {} })], false)[0], "gain", 7)).toBe(-1);
  });
});

describe("two runs", () => {
  it("are matched by layer and step", () => {
    const [one, other] = [
      new Run(mlp()),
      new Run({ ...mlp(), run: "other", layers: mlp().layers.slice().reverse() }),
    ];
    const [first, second] = tracksOf([one, other], false);
    expect(second.at("forward", 0, 0)).toBe(first.at("forward", 0, 47));
    expect(stepIndices([first, second], 1000)).toEqual([59, 59]);
  });

  it("share the causes that both have, on the layers of the first", () => {
    const one = new Run({ ...mlp(), run: "one", layers: mlp().layers.slice().reverse() });
    const other = new Run({ ...mlp(), run: "other" });
    expect(causesOf([one, other]).map(({ runs }) => runs)).toEqual([["one", "other"]]);
    const healthy = new Run({ ...one.data, run: "healthy", findings: [] });
    const [cause] = causesOf([healthy, other]);
    expect(cause.runs).toEqual(["other"]);
    expect(cause.layers).toEqual(other.causes[0].layers.map((layer) => 47 - layer).reverse());
    expect(causesOf([other])[0].runs).toEqual([]);
  });

  it("have no difference from themselves, and none where a layer is missing", () => {
    const [track] = tracksOf([new Run(mlp()), new Run({ ...mlp(), run: "same" })], true);
    expect(track.isDifference).toBe(true);
    expect(track.at("forward_off", 3, 30)).toBe(0);
    const [missing] = tracksOf([new Run(mlp()), new Run(deep(20, 60))], true);
    expect(missing.at("forward_off", 0, 0)).toBeNaN();
  });
});
