// The verdict in words, what was judged, and what was not.

import type { Cause, Run } from "../data/run.ts";
import type { Track } from "../data/track.ts";
import { count, span } from "../layout/words.ts";
import { outside } from "../state/prepared.ts";
import type { Change } from "./app.tsx";

type Placed = Pick<Cause, "finding" | "layers">;

const NAMED = 3; // causes whose layers the summary names

interface Props {
  run: Run;
  track: Track;
  step: number; // index
  change: Change;
}

export function Header({ run, track, step, change }: Props) {
  const { data } = run;
  return (
    <header class="top">
      <h1>Init Health</h1>
      <Verdict run={run} />
      <Summary {...{ run, track, step, change }} />
      <p class="facts">
        <Facts run={run} />
      </p>
      {data.lacks.map((sentence) => (
        <p class="lacks" key={sentence}>
          {sentence}
        </p>
      ))}
      <Unmeasured run={run} />
    </header>
  );
}

function Verdict({ run }: { run: Run }) {
  const { healthy, verdict } = run.data;
  const kind = healthy === null ? "unknown" : healthy ? "healthy" : "unhealthy";
  const sign = { unknown: "?", healthy: "✓", unhealthy: "✕" }[kind];
  const words = verdict || "not judged";
  return (
    <p class={`verdict ${kind}`} role="status">
      <span aria-hidden="true">{sign}</span> {words.charAt(0).toUpperCase() + words.slice(1)}
    </p>
  );
}

/** How far it spreads, and where to look first. */
function Summary({ run, track, step, change }: Props) {
  const amount = outside(track, step, run.layers.length);
  const off = `${amount.toLocaleString("en-US")} of ${count(run.layers.length, "layer")}`;
  const at = `at step ${track.steps[step]}`;
  if (run.active.length === 0)
    return <p class="summary">{withoutCause(run, track, step, amount > 0 ? off : null)}</p>;
  const shown = run.active.slice(0, NAMED);
  const place = (cause: Placed) => placeOf(run, cause);
  return (
    <p class="summary">
      {run.active.length === 1 ? "Cause in " : `${run.active.length} causes: `}
      {shown.map(({ finding, layers }, index) => (
        <span key={finding.key}>
          {index > 0 && ", "}
          <button
            type="button"
            class="plain"
            title={finding.message}
            onClick={() => change({ cause: finding.key })}
          >
            {place({ finding, layers })}
          </button>
        </span>
      ))}
      {run.active.length > NAMED && ", …"}
      {` · ${off} outside the expected range ${at}`}
    </p>
  );
}

/** Where a cause is: its first and last layer if nothing is between them that it does not name, else how many. */
function placeOf(run: Run, { finding, layers }: Placed): string {
  if (layers.length === 0) return span(finding.layers);
  const names = layers.map((layer) => run.layers[layer].name);
  const isWhole = layers[layers.length - 1] - layers[0] + 1 === layers.length;
  return isWhole || layers.length < 3 ? span(names) : `${count(layers.length, "layer")} from ${names[0]} on`;
}

function withoutCause(run: Run, track: Track, step: number, off: string | null): string {
  const at = `at step ${track.steps[step]}`;
  const last = track.steps[track.steps.length - 1];
  const clear = run.causes.length === 0 && track.steps.length > 1 ? `No findings up to step ${last}. ` : "";
  if (off !== null)
    return `${clear}${off} are more than 2x from what is expected ${at}; no rule finds a problem in that.`;
  const levels = track.values("forward_off", step);
  const measured = levels.filter((level) => !Number.isNaN(level)).length;
  if (measured === 0) return `${clear}No level was measured ${at}.`;
  const which =
    measured === levels.length
      ? `All ${count(measured, "layer")}`
      : `All ${count(measured, "measured layer")}`;
  return `${clear}${which} are within 2x of what is expected ${at}.`;
}

function Facts({ run }: { run: Run }) {
  const { data, steps } = run;
  const parts = [
    <b key="model">{data.model}</b>,
    data.run === data.model ? "" : data.run,
    count(run.layers.length, "layer"),
    steps.length > 1 ? `steps ${steps[0]} to ${steps[steps.length - 1]}` : `step ${steps[0]}`,
    data.optimizer,
    data.exact ? "measured on all elements" : "measured on samples",
    data.thinned,
  ];
  return (
    <>
      {parts.filter(Boolean).map((part, index) => (
        <span key={index}>{part}</span>
      ))}
    </>
  );
}

function Unmeasured({ run }: { run: Run }) {
  const { notMeasured, skipped, notes, versions } = run.data;
  const missing = notMeasured.length + skipped.length;
  const title = missing > 0 ? `${count(missing, "part")} not measured or judged` : "Notes";
  return (
    <details class={missing > 0 ? "unmeasured some" : "unmeasured"}>
      <summary>{title}</summary>
      <ul>
        {notMeasured.map((text) => (
          <li key={text}>{text}</li>
        ))}
        {skipped.map(({ code, rule, reason }) => (
          <li key={code}>
            {code} {rule}: {reason}
          </li>
        ))}
        {notes.map((text) => (
          <li key={text} class="note">
            {text}
          </li>
        ))}
        <li class="note">
          {Object.entries(versions)
            .map(([name, version]) => `${name} ${version}`)
            .join(", ")}
        </li>
      </ul>
    </details>
  );
}
