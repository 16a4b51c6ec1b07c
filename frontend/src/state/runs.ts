// The runs: which there are, and those that are shown, loaded and kept up to date.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { RunEntry } from "../data/contract.ts";
import { Run } from "../data/run.ts";
import type { Source } from "../data/source.ts";
import { useLive } from "./live.ts";
import { startRuns } from "./prepared.ts";

export interface Loaded {
  entries: RunEntry[];
  shown: (Run | string | null)[]; // a run, or why it cannot be shown, or null while loading; in the order asked for
  message: string | null; // why there is nothing to show at all
  reload: () => void;
}

/** Loads the runs with these names; one to begin with if `names` is empty. */
export function useRuns(source: Source, names: readonly string[]): Loaded {
  const [entries, setEntries] = useState<RunEntry[] | null>(null);
  const [message, setMessage] = useState<string | null>(null);
  const [reloads, setReloads] = useState(0);
  // A reload asks for the list again.
  useEffect(() => {
    source.list().then(
      (list) => {
        setEntries(list.runs);
        setMessage(
          list.runs.length > 0
            ? null
            : (list.message ?? "There are no runs with measurements of inithealth."),
        );
      },
      (error: unknown) => setMessage(`The list of runs could not be read: ${String(error)}`),
    );
  }, [source, reloads]);
  const wanted = names.length > 0 ? [...names] : startRuns(entries ?? []);
  const shown = useShown(source, wanted, reloads);
  return {
    entries: entries ?? [],
    shown,
    message,
    reload: useCallback(() => setReloads((count) => count + 1), []),
  };
}

function useShown(source: Source, names: string[], reloads: number): Loaded["shown"] {
  const [kept, setKept] = useState<Record<string, Run | string>>({});
  const keep = (name: string, run: Run | string) => setKept((all) => ({ ...all, [name]: run }));
  const current = useRef(kept);
  current.current = kept;

  const load = async (name: string): Promise<boolean> => {
    const data = await source.run(name);
    keep(name, "message" in data ? data.message : new Run(data));
    return true;
  };
  const extend = async (name: string): Promise<boolean> => {
    const known = current.current[name];
    if (!(known instanceof Run)) return load(name);
    const tail = await source.run(name, (known.steps.at(-1) ?? -1) + 1);
    if ("message" in tail || tail.steps.length === 0) return false;
    const longer = known.extended(tail);
    if (longer) keep(name, longer);
    return longer ? true : load(name);
  };

  // The names decide, not the array that holds them.
  useEffect(() => {
    for (const name of names) load(name);
  }, [source, names.join("\n"), reloads]);
  useLive(
    source.live && names.length > 0,
    async () => (await Promise.all(names.map(extend))).some(Boolean),
    reloads + names.join("\n"),
  );
  return names.map((name) => kept[name] ?? null);
}
