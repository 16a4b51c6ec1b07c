// The verdict in words, what was judged, and what was not.

import type { Run } from "../data/run.ts";
import type { Track } from "../data/track.ts";
import { count, span } from "../layout/words.ts";
import { outside } from "../state/prepared.ts";
import type { Change } from "./app.tsx";

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
  const off = outside(track, step, run.layers.length);
  const layers = `${off.toLocaleString("en-US")} of ${count(run.layers.length, "layer")}`;
  const at = `at step ${track.steps[step]}`;
  if (run.active.length === 0) return <p class="summary">{withoutCause(track, step, off, layers)}</p>;
  const shown = run.active.slice(0, NAMED);
  return (
    <p class="summary">
      {run.active.length === 1 ? "Cause in " : `${run.active.length} causes: `}
      {shown.map(({ finding }, index) => (
        <span key={finding.key}>
          {index > 0 && ", "}
          <button
            type="button"
            class="plain"
            title={finding.message}
            onClick={() => change({ cause: finding.key })}
          >
            {span(finding.layers)}
          </button>
        </span>
      ))}
      {run.active.length > NAMED && ", …"}
      {` · ${layers} outside the expected range ${at}`}
    </p>
  );
}

function withoutCause(track: Track, step: number, off: number, layers: string): string {
  const at = `at step ${track.steps[step]}`;
  if (off > 0)
    return `${layers} are more than 2x from what is expected ${at}; no rule finds a problem in that.`;
  const levels = track.values("forward_off", step);
  const measured = levels.filter((level) => !Number.isNaN(level)).length;
  if (measured === 0) return `No level was measured ${at}.`;
  const which =
    measured === levels.length
      ? `All ${count(measured, "layer")}`
      : `All ${count(measured, "measured layer")}`;
  return `${which} are within 2x of what is expected ${at}.`;
}

function Facts({ run }: { run: Run }) {
  const { data, steps } = run;
  const parts = [
    <b key="model">{data.model}</b>,
    data.run,
    count(run.layers.length, "layer"),
    steps.length > 1 ? `steps ${steps[0]} to ${steps[steps.length - 1]}` : `step ${steps[0]}`,
    data.optimizer,
    data.exact ? "every element read" : "sampled elements",
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
  const title = missing > 0 ? `Not measured or checked: ${missing}` : "Notes";
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
