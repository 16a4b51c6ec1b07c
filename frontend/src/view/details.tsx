// All that is known of one layer.

import { useEffect, useRef } from "preact/hooks";
import type { Palette } from "../colour/palette.ts";
import type { LayerData } from "../data/contract.ts";
import type { Run } from "../data/run.ts";
import { number, span } from "../layout/words.ts";
import type { Change } from "./app.tsx";
import { Copy } from "./copy.tsx";
import { Lines } from "./lines.tsx";

interface Props {
  run: Run;
  layer: number;
  step: number; // index
  change: Change;
  palette: Palette;
}

export function Details({ run, layer, step, change, palette }: Props) {
  const close = useRef<HTMLButtonElement>(null);
  const data = run.layers[layer];
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key === "Escape") change({ layer: null });
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [change]);
  const step_ = (by: number) => {
    const next = run.layers[layer + by];
    if (next) change({ layer: next.name });
  };
  return (
    <aside class="details" aria-label={`Details of ${data.name}`}>
      <div class="head">
        <h2>{span([data.name])}</h2>
        <button type="button" aria-label="Previous layer" disabled={layer === 0} onClick={() => step_(-1)}>
          ↑
        </button>
        <button
          type="button"
          aria-label="Next layer"
          disabled={layer === run.layers.length - 1}
          onClick={() => step_(1)}
        >
          ↓
        </button>
        <button
          type="button"
          ref={close}
          aria-label="Close the details"
          onClick={() => change({ layer: null })}
        >
          ✕
        </button>
      </div>
      <Facts data={data} />
      <Findings run={run} layer={layer} change={change} />
      <Lines run={run} layer={layer} step={step} palette={palette} change={change} />
    </aside>
  );
}

function Facts({ data }: { data: LayerData }) {
  const role = [
    data.head && "head: no other weight before the loss",
    data.readsTrunk && "first of a residual branch",
    data.endsBranch && "last of a residual branch",
    data.readsNorm && "reads a normalized signal",
    data.bypassable && "a skip connection bypasses it",
    data.zeroStart && "starts at zero intentionally",
  ].filter(Boolean);
  const facts: [string, string | null][] = [
    ["Type", `${data.type} (${data.kind})`],
    ["Shape", data.shape.join(" × ") || null],
    ["Initialization", data.scheme],
    ["Std", data.std === null ? null : `${number(data.std)}${target(data)}`],
    ["Activation", data.activation],
    ["Feeds", data.feeds || null],
    ["Structure", role.join("; ") || null],
    ["Module", data.module === data.name ? null : data.module],
  ];
  return (
    <dl>
      {facts.map(([term, text]) =>
        text === null ? null : (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{text}</dd>
          </div>
        ),
      )}
      {data.source && (
        <div>
          <dt>Source</dt>
          <dd>
            <code>{data.source}</code> <Copy text={data.source} label="the source line" />
          </dd>
        </div>
      )}
    </dl>
  );
}

function target({ std, wantedStd }: LayerData): string {
  if (wantedStd === null) return ", many scales are healthy here";
  if (std === null || std === 0) return `, target ${number(wantedStd)}`;
  const factor = std / wantedStd;
  const words =
    factor > 1.05 ? `, ${number(factor)}x larger` : factor < 0.95 ? `, ${number(1 / factor)}x smaller` : "";
  return `, target ${number(wantedStd)}${words}`;
}

function Findings({ run, layer, change }: { run: Run; layer: number; change: Change }) {
  const { module, name } = run.layers[layer];
  const named = run.data.findings.filter(({ layers }) => layers.includes(module) || layers.includes(name));
  if (named.length === 0) return <p class="none">No finding names this layer.</p>;
  return (
    <ul class="named">
      {named.map((finding) => (
        <li key={finding.key + finding.code} class={finding.role === "cause" ? finding.severity : "info"}>
          <b>{finding.role === "cause" ? finding.severity : "consequence"}</b> {finding.code}{" "}
          <button
            type="button"
            class="plain"
            onClick={() => change({ cause: finding.explainedBy ?? finding.key })}
          >
            {finding.message}
          </button>
        </li>
      ))}
    </ul>
  );
}
