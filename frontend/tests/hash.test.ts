import { describe, expect, it } from "vitest";
import { hashWith, viewFrom } from "../src/state/hash.ts";
import { shouldAsk, YOUNG } from "../src/state/live.ts";
import { folded, START, type View } from "../src/state/view.ts";

const FULL: View = {
  run: "a/b c&d=e",
  compare: ["x", "y…z"],
  isDifference: true,
  step: 0,
  layer: "<img src=x>",
  cause: "IH106 layers.20",
  opened: ["blocks.0 … 9", "a\u2013b"],
  closed: ["c"],
  severities: ["error"],
  query: "fc 1#",
  isTable: true,
};

describe("the address", () => {
  it("holds the whole view", () => {
    expect(viewFrom(hashWith("", FULL))).toEqual(FULL);
    expect(viewFrom(hashWith("#init_health", FULL))).toEqual(FULL);
  });

  it("is empty at the start", () => {
    expect(hashWith("", START)).toBe("");
    expect(viewFrom("")).toEqual(START);
  });

  it("keeps what belongs to TensorBoard", () => {
    const hash = hashWith("#init_health&p.other.key=1&tagFilter=a%26b&p.init_health.run=old", {
      ...START,
      run: "new",
    });
    expect(hash).toBe("#init_health&p.other.key=1&tagFilter=a%26b&p.init_health.run=new");
  });

  it("ignores what it cannot read", () => {
    expect(viewFrom("#p.init_health.step=-3&p.init_health.severity=fatal&p.init_health.run=%E0%A4")).toEqual({
      ...START,
      severities: [],
      run: "%E0%A4",
    });
  });

  it("can hide all severities", () => {
    expect(viewFrom(hashWith("", { ...START, severities: [] })).severities).toEqual([]);
  });
});

describe("folding by hand", () => {
  it("moves a row from one list to the other", () => {
    const open = folded(START, "a", true);
    expect([open.opened, open.closed]).toEqual([["a"], []]);
    const closed = folded(open, "a", false);
    expect([closed.opened, closed.closed]).toEqual([[], ["a"]]);
  });
});

describe("live reload", () => {
  it("asks while the page is visible and steps keep arriving", () => {
    expect(shouldAsk(1000, 0, true)).toBe(true);
    expect(shouldAsk(1000, 0, false)).toBe(false);
    expect(shouldAsk(YOUNG, 0, true)).toBe(false);
  });
});
