// Choice of further runs, side by side or as a difference from the first.

import type { ToolbarProps } from "./toolbar.tsx";

const MOST = 4; // runs at once: more columns cannot be read

export function Compare({ run, view, change, picker }: ToolbarProps) {
  const others = picker.entries.filter((entry) => entry.run !== run.data.run);
  const toggle = (name: string, isChosen: boolean) => {
    const rest = view.compare.filter((each) => each !== name);
    change({ run: run.data.run, compare: isChosen ? [...rest, name].slice(0, MOST - 1) : rest });
  };
  return (
    <details class="menu">
      <summary>{view.compare.length > 0 ? `Compared with ${view.compare.length}` : "Compare"}</summary>
      <div>
        {others.map((entry) => (
          <label key={entry.run}>
            <input
              type="checkbox"
              checked={view.compare.includes(entry.run)}
              onChange={(event) => toggle(entry.run, event.currentTarget.checked)}
            />{" "}
            {entry.run} <small>{entry.verdict}</small>
          </label>
        ))}
        <label class="rule">
          <input
            type="checkbox"
            checked={view.isDifference}
            onChange={(event) => change({ isDifference: event.currentTarget.checked })}
          />{" "}
          Show the difference from {run.data.run}
        </label>
      </div>
    </details>
  );
}
