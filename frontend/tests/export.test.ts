import { describe, expect, it } from "vitest";
import { hostile, mlp } from "../dev/sample.ts";
import { Run } from "../src/data/run.ts";
import { SvgSurface } from "../src/draw/svg.ts";
import { csvOf, MOST_LINES } from "../src/export/csv.ts";

describe("CSV", () => {
  it("has one line for each step and layer, and the header", () => {
    const lines = csvOf(new Run(mlp()), 0).trimEnd().split("\r\n");
    expect(lines).toHaveLength(60 * 48 + 1);
    expect(lines[0]).toBe(
      "step,layer,type,shape,scheme,forward,gradient,gain,update,forward_off,gradient_off,gain_off,dead",
    );
    expect(lines[1]).toMatch(/^0,layers\.0,Linear,256x256,kaiming normal,1\.\d+/);
  });

  it("leaves out what was not measured", () => {
    const [, first] = csvOf(new Run(mlp()), 0).split("\r\n");
    expect(first.split(",")[8]).toBe("");
  });

  it("has only the chosen step where there are too many numbers", () => {
    const data = { ...mlp(), layers: mlp().layers.slice(0, 10) };
    const steps = Array.from({ length: MOST_LINES / 10 + 1 }, (_, step) => step);
    const lines = csvOf(new Run({ ...data, steps }), 7)
      .trimEnd()
      .split("\r\n");
    expect(lines).toHaveLength(11);
    expect(lines[1].startsWith("7,")).toBe(true);
  });

  it("quotes texts, and gives a spreadsheet no formula", () => {
    const data = mlp();
    data.layers[0] = { ...data.layers[0], name: '=HYPERLINK("http://a","b")', scheme: 'a, "b"' };
    expect(csvOf(new Run(data), 0)).toContain(
      `0,"'=HYPERLINK(""http://a"",""b"")",Linear,256x256,"a, ""b"""`,
    );
  });
});

describe("SVG", () => {
  it("escapes text", () => {
    const surface = new SvgSurface();
    surface.text(0, 0, hostile().model, { fill: "#000000", size: 11 });
    const document = surface.document(10, 10);
    expect(document).not.toContain("<img");
    expect(document).toContain("&lt;img src=x onerror=&quot;");
  });
});
