import { describe, expect, it } from "vitest";
import { fixed, mlp } from "../dev/sample.ts";
import type { RunData } from "../src/data/contract.ts";
import { Run } from "../src/data/run.ts";
import { levelOf, levelRange } from "../src/draw/levels.ts";
import type { Row } from "../src/fold/rows.ts";
import { describedFixed } from "../src/layout/describe.ts";
import { testOf } from "../src/layout/words.ts";
import { layoutOf, outside, tracksOf } from "../src/state/prepared.ts";

describe("the first step with the fixes", () => {
  const run = new Run(fixed());
  const tracks = tracksOf([run], false);

  it("is beside the first step as it is", () => {
    expect(tracks.map(({ label }) => label)).toEqual(["Now", "With the fixes"]);
    expect(layoutOf([run])).toBe("fixes");
    expect(tracks.map((track) => outside(track, 0, 48))).toEqual([48, 0]);
    expect(tracks.map(({ hasCauses }) => hasCauses)).toEqual([true, false]);
  });

  it("is not shown where no fix was tried, or with other runs", () => {
    const older: Partial<RunData> = fixed();
    delete older.fixed;
    for (const data of [older as RunData, { ...fixed(), fixed: null }]) {
      expect(tracksOf([new Run(data)], false)).toHaveLength(1);
      expect(layoutOf([new Run(data)])).toBe("run");
    }
    const several = [run, new Run({ ...mlp(), run: "other" })];
    expect(layoutOf(several)).toBe("runs");
    expect(tracksOf(several, false)).toHaveLength(2);
  });

  it("has the same axis", () => {
    const [low, high] = levelRange(tracks, [0, 0]);
    for (const track of tracks) {
      const levels = track.values("forward", 0).map(Math.log2);
      expect(Math.min(...levels)).toBeGreaterThan(low);
      expect(Math.max(...levels)).toBeLessThan(high);
    }
  });

  it("has its own expected levels and prediction", () => {
    const row = { start: 30, end: 31 } as Row;
    expect(levelOf(tracks[1], 0, row).theory).toBeCloseTo(0.42);
    expect(levelOf(tracks[0], 0, row).theory).toBeCloseTo(0.42 - 9);
  });

  it("is in the words about a layer", () => {
    expect(describedFixed(run, "forward_off", 30)).toMatch(/^with the fixes: forward rms 1\.\d+: healthy/);
    expect(describedFixed(new Run(mlp()), "forward_off", 30)).toBeNull();
  });

  it("has a mark for each result of a test", () => {
    const finding = fixed().findings[0];
    expect(testOf(finding)).toEqual({ kind: "clears", mark: "✓", words: "the fix clears this finding" });
    expect(testOf({ ...finding, verified: "partly" })?.kind).toBe("partly");
    expect(testOf({ ...finding, verified: "", verification: "not tried: no batch" })?.kind).toBe("untried");
    expect(testOf({ ...finding, verified: "", verification: "" })).toBeNull();
    expect(testOf(mlp().findings[0])).toBeNull();
  });
});
