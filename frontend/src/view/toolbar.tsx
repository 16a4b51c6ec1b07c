// Choice of run, step, filter and form of the picture.

import { useEffect, useState } from "preact/hooks";
import type { RunEntry } from "../data/contract.ts";
import { isActive, type Run } from "../data/run.ts";
import type { ShownCause } from "../state/causes.ts";
import { SEVERITIES, type View } from "../state/view.ts";
import type { Change } from "./app.tsx";
import { Compare } from "./compare.tsx";
import { Search } from "./search.tsx";

export interface Picker {
  entries: RunEntry[];
  isLive: boolean;
  reload: () => void;
}

export interface ToolbarProps {
  run: Run;
  steps: number[];
  step: number; // index
  causes: ShownCause[]; // whatever their severity
  matches: number[]; // layers found by the search
  view: View;
  change: Change;
  picker: Picker;
  save: (format: "png" | "svg" | "csv") => void;
}

export function Toolbar(props: ToolbarProps) {
  const { run, view, change, picker } = props;
  return (
    <div class="toolbar" role="toolbar" aria-label="View">
      {picker.entries.length > 1 && (
        <label>
          Run{" "}
          <select
            value={run.data.run}
            onChange={(event) =>
              change({ run: event.currentTarget.value, compare: [], step: null, cause: null, layer: null })
            }
          >
            {picker.entries.map((entry) => (
              <option key={entry.run} value={entry.run}>
                {entry.healthy === false ? "✕ " : entry.healthy ? "✓ " : ""}
                {entry.run || "(unnamed)"}
              </option>
            ))}
          </select>
        </label>
      )}
      {picker.entries.length > 1 && <Compare {...props} />}
      {props.steps.length > 1 && <Steps {...props} />}
      <Search {...props} />
      <SeverityFilter {...props} />
      <button type="button" aria-pressed={view.isTable} onClick={() => change({ isTable: !view.isTable })}>
        Table
      </button>
      <details class="menu">
        <summary>Export</summary>
        <div>
          {(["png", "svg", "csv"] as const).map((format) => (
            <button type="button" key={format} onClick={() => props.save(format)}>
              {format.toUpperCase()}
            </button>
          ))}
        </div>
      </details>
      {picker.isLive && (
        <button
          type="button"
          title="New steps arrive by themselves while the run is training"
          onClick={picker.reload}
        >
          Reload
        </button>
      )}
    </div>
  );
}

const FRAME = 160; // ms of one step while playing

function Steps({ steps, step, change }: ToolbarProps) {
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return;
    const timer = setTimeout(() => {
      if (step + 1 < steps.length) change({ step: steps[step + 1] });
      else setPlaying(false);
    }, FRAME);
    return () => clearTimeout(timer);
  }, [isPlaying, step, steps, change]);
  const play = () => {
    if (!isPlaying && step === steps.length - 1) change({ step: steps[0] });
    setPlaying(!isPlaying);
  };
  return (
    <span class="steps">
      <button type="button" aria-label={isPlaying ? "Pause" : "Play the steps"} onClick={play}>
        {isPlaying ? "❚❚" : "▶"}
      </button>
      <label>
        <span class="fixed">Step {steps[step]}</span>
        <input
          type="range"
          min={0}
          max={steps.length - 1}
          value={step}
          aria-valuetext={`step ${steps[step]}`}
          onInput={(event) => change({ step: steps[Number(event.currentTarget.value)] })}
        />
      </label>
    </span>
  );
}

function SeverityFilter({ causes, view, change }: ToolbarProps) {
  const toggled = (severity: View["severities"][number]) =>
    SEVERITIES.filter((each) => (each === severity) !== view.severities.includes(each));
  const amount = (severity: string) =>
    causes.filter((cause) => isActive(cause) && cause.finding.severity === severity).length;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot be laid out in a toolbar.
    <span class="filter" role="group" aria-label="Show findings of severity">
      {SEVERITIES.filter((severity) => causes.some(({ finding }) => finding.severity === severity)).map(
        (severity) => (
          <button
            type="button"
            key={severity}
            class={`chip ${severity}`}
            aria-pressed={view.severities.includes(severity)}
            onClick={() => change({ severities: toggled(severity) })}
          >
            {severity} {amount(severity)}
          </button>
        ),
      )}
    </span>
  );
}
