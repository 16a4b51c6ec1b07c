// All statistics of a layer over the steps, as small lines.

import type { Palette } from "../colour/palette.ts";
import type { Statistic } from "../data/contract.ts";
import type { Run } from "../data/run.ts";
import { lineOf } from "../layout/chart.ts";
import { distance, number } from "../layout/words.ts";
import type { Change } from "./app.tsx";

interface Props {
  run: Run;
  layer: number;
  step: number; // index
  palette: Palette;
  change: Change;
}

const CHARTS: { statistic: Statistic; off: Statistic | null; title: string; isLog: boolean }[] = [
  { statistic: "forward", off: "forward_off", title: "Forward rms", isLog: true },
  { statistic: "gradient", off: "gradient_off", title: "Gradient norm", isLog: true },
  { statistic: "gain", off: "gain_off", title: "Gain", isLog: true },
  { statistic: "update", off: null, title: "Update / weight", isLog: true },
  { statistic: "dead", off: null, title: "Dead or saturated units", isLog: false },
];

export function Lines(props: Props) {
  return (
    <div class="lines">
      {CHARTS.map((chart) => (
        <Chart key={chart.statistic} {...props} {...chart} />
      ))}
    </div>
  );
}

const WIDTH = 320;
const HEIGHT = 56;

function columnOf(run: Run, statistic: Statistic, layer: number): Float32Array {
  const series = run.series(statistic);
  return Float32Array.from(
    { length: run.steps.length },
    (_, step) => series[step * run.layers.length + layer],
  );
}

function Chart({
  run,
  layer,
  step,
  palette,
  change,
  statistic,
  off,
  title,
  isLog,
}: Props & (typeof CHARTS)[number]) {
  const values = columnOf(run, statistic, layer);
  const offs = off ? columnOf(run, off, layer) : null;
  const words = inWords(values[step], offs?.[step]);
  const fixed = run.fixed?.series(statistic)[layer] ?? Number.NaN;
  const choose = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const index = Math.round(((event.clientX - box.left) / box.width) * (run.steps.length - 1));
    change({ step: run.steps[Math.max(0, Math.min(run.steps.length - 1, index))] });
  };
  return (
    <figure>
      <figcaption>
        <b>{title}</b> <span>{words}</span>
        {!Number.isNaN(fixed) && (
          <div class="fixed">
            With the fixes: {inWords(fixed, off ? run.fixed?.series(off)[layer] : undefined)}
          </div>
        )}
      </figcaption>
      {run.steps.length > 1 && values.some((value) => !Number.isNaN(value)) && (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the step slider does the same by keyboard.
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${title} by step; at step ${run.steps[step]}: ${words}`}
          onClick={choose}
        >
          <Shape {...{ values, offs, isLog, palette }} at={step / (run.steps.length - 1)} />
        </svg>
      )}
    </figure>
  );
}

/** "0.0023, 12x too small" */
function inWords(value: number, off: number | undefined): string {
  const now = Number.isNaN(value) ? "not measured" : number(value);
  return off === undefined || Number.isNaN(off) ? now : `${now}, ${distance(off)}`;
}

function Shape({
  values,
  offs,
  isLog,
  palette,
  at,
}: {
  values: Float32Array;
  offs: Float32Array | null;
  isLog: boolean;
  palette: Palette;
  at: number;
}) {
  const edges = offs ? bandOf(values, offs) : [];
  const line = lineOf(
    values,
    isLog,
    WIDTH / 2,
    edges.map(([, level]) => level),
  );
  const band =
    edges.length > 3
      ? edges.map(([x, level]): [number, number] => [x, (level - line.low) / (line.high - line.low)])
      : null;
  const y = (share: number) => HEIGHT - 4 - share * (HEIGHT - 8);
  const points = (part: [number, number][]) => part.map(([x, share]) => `${x * WIDTH},${y(share)}`).join(" ");
  return (
    <>
      <rect width={WIDTH} height={HEIGHT} fill={palette.panel} />
      {band && <polygon fill={palette.band} points={points(band)} />}
      {line.parts.map((part, index) => (
        <polyline
          key={index}
          points={points(part)}
          fill="none"
          stroke={palette.link}
          stroke-width={1.5}
          vector-effect="non-scaling-stroke"
        />
      ))}
      {line.parts
        .filter((part) => part.length === 1)
        .map(([[x, share]]) => (
          <circle key={x} cx={x * WIDTH} cy={y(share)} r={1.8} fill={palette.link} />
        ))}
      {line.nonFinite.map((x) => (
        <line
          key={x}
          x1={x * WIDTH}
          x2={x * WIDTH}
          y1={2}
          y2={HEIGHT - 2}
          stroke={palette.nonFinite}
          stroke-width={2}
        />
      ))}
      {line.zeros.map((x) => (
        <circle key={x} cx={x * WIDTH} cy={HEIGHT - 3} r={2} fill={palette.small[2]} />
      ))}
      <line
        x1={at * WIDTH}
        x2={at * WIDTH}
        y1={0}
        y2={HEIGHT}
        stroke={palette.muted}
        stroke-dasharray="3 2"
        vector-effect="non-scaling-stroke"
      />
    </>
  );
}

/** The edges of the healthy band, an octave to both sides of what is expected; empty if that is unknown. */
function bandOf(values: Float32Array, offs: Float32Array): [number, number][] {
  const known: [number, number][] = [];
  values.forEach((value, step) => {
    const expected = Math.log2(value) - offs[step];
    if (Number.isFinite(expected)) known.push([step / Math.max(1, values.length - 1), expected]);
  });
  const side = (sign: number) => known.map(([x, expected]): [number, number] => [x, expected + sign]);
  return [...side(-1), ...side(1).reverse()];
}
