// The layers as a real table: all numbers of one step, for screen readers, for copying and for print.

import { useState } from "preact/hooks";
import type { Run } from "../data/run.ts";
import { type Track, trackOf } from "../data/track.ts";
import { distance, number } from "../layout/words.ts";
import type { Change } from "./app.tsx";

interface Props {
  run: Run;
  track: Track;
  step: number; // index
  change: Change;
  query: string;
}

const PAGE = 200; // rows

export function LayerTable({ run, track, step, change, query }: Props) {
  const [page, setPage] = useState(0);
  const text = query.trim().toLowerCase();
  const layers = run.layers.flatMap((layer, index) =>
    layer.name.toLowerCase().includes(text) ? [index] : [],
  );
  const pages = Math.max(1, Math.ceil(layers.length / PAGE));
  const at = Math.min(page, pages - 1);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard.
    <section class="table" tabIndex={0} aria-label="Table of layers">
      {pages > 1 && (
        <p>
          <button type="button" disabled={at === 0} onClick={() => setPage(at - 1)}>
            Previous
          </button>{" "}
          Layers {at * PAGE + 1} to {Math.min(layers.length, (at + 1) * PAGE)} of {layers.length}{" "}
          <button type="button" disabled={at === pages - 1} onClick={() => setPage(at + 1)}>
            Next
          </button>
        </p>
      )}
      <table>
        <caption>All layers at step {track.steps[step]}, input first</caption>
        <thead>
          <tr>
            {[
              "Layer",
              "Type",
              "Shape",
              "Initialization",
              "Std",
              "Target",
              "Gain",
              "Forward rms",
              "Gradient norm",
              ...(run.fixed ? ["Forward rms with the fixes", "Gradient norm with the fixes"] : []),
              "Update",
              "Dead",
              "Findings",
            ].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {layers.slice(at * PAGE, (at + 1) * PAGE).map((layer) => (
            <LayerRow key={layer} {...{ run, track, step, change, layer }} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function LayerRow({ run, track, step, change, layer }: Omit<Props, "query"> & { layer: number }) {
  const data = run.layers[layer];
  const fixed = run.fixed && trackOf(run.fixed);
  const optional = (value: number | null) => (value === null || Number.isNaN(value) ? "" : number(value));
  const both = (value: "gain" | "forward" | "gradient", of = track, at = step) => {
    const [measured, off] = [of.at(value, at, layer), of.at(`${value}_off`, at, layer)];
    const words = Number.isNaN(off) || Math.abs(off) <= 1 ? "" : distance(off, of.isDifference);
    return (
      <td class={off < -1 ? "small" : off > 1 ? "large" : ""}>
        {Number.isFinite(measured) ? optional(measured) : ""} {words && <small>{words}</small>}
      </td>
    );
  };
  const named = run.data.findings.filter(({ layers }) => layers.includes(data.module));
  return (
    <tr>
      <th scope="row">
        <button type="button" class="plain" onClick={() => change({ layer: data.name })}>
          {data.name}
        </button>
      </th>
      <td>{data.type}</td>
      <td>{data.shape.join("×")}</td>
      <td>{data.scheme}</td>
      <td>{optional(data.std)}</td>
      <td>{data.wantedStd === null ? "free" : number(data.wantedStd)}</td>
      {both("gain")}
      {both("forward")}
      {both("gradient")}
      {fixed && both("forward", fixed, 0)}
      {fixed && both("gradient", fixed, 0)}
      <td>{optional(track.at("update", step, layer))}</td>
      <td>{optional(track.at("dead", step, layer))}</td>
      <td>{named.map(({ code, role }) => (role === "cause" ? code : `(${code})`)).join(" ")}</td>
    </tr>
  );
}
