// The causes of the runs that are shown, each once, on the layers of the first run.

import type { Cause, Run } from "../data/run.ts";
import type { View } from "./view.ts";

export interface ShownCause extends Cause {
  run: Run; // the first run that has it
  runs: string[]; // the names of all that have it; empty if only one run is shown
}

/** The causes of all runs: not suppressed ones first, then by layer. A cause that several runs share is one. */
export function causesOf(runs: readonly Run[]): ShownCause[] {
  const [base] = runs;
  const known = new Map<string, ShownCause>();
  for (const run of runs)
    for (const cause of run.causes) {
      const same = known.get(cause.finding.key);
      const names = runs.length > 1 ? [...(same?.runs ?? []), run.data.run] : [];
      known.set(cause.finding.key, same ? { ...same, runs: names } : on(base, cause, run, names));
    }
  const order = (cause: Cause) => (cause.finding.suppressed === null ? 0 : 1e9) + (cause.layers[0] ?? -1);
  return [...known.values()].sort((one, other) => order(one) - order(other));
}

function on(base: Run, cause: Cause, run: Run, runs: string[]): ShownCause {
  const layers =
    run === base ? cause.layers : cause.layers.flatMap((layer) => base.layersOf(run.layers[layer].name));
  return { ...cause, layers: [...new Set(layers)].sort((a, b) => a - b), run, runs };
}

/** Those that the severity filter lets through. */
export function filtered(causes: readonly ShownCause[], view: View): ShownCause[] {
  return causes.filter(({ finding }) => view.severities.includes(finding.severity));
}
