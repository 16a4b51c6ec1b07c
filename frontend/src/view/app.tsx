// The whole page: what is shown while there is nothing to show, and the dashboard once there is.

import { useCallback, useEffect, useState } from "preact/hooks";
import { Run } from "../data/run.ts";
import type { Source } from "../data/source.ts";
import { onAddress, readView, writeView } from "../state/address.ts";
import { useRuns } from "../state/runs.ts";
import type { View } from "../state/view.ts";
import { Dashboard } from "./dashboard.tsx";
import { Empty } from "./empty.tsx";

export type Change = (change: Partial<View> | ((view: View) => View)) => void;

export function App({ source }: { source: Source }) {
  const [view, setView] = useState<View>(readView);
  useEffect(() => onAddress(setView), []);
  useEffect(() => writeView(view), [view]);
  const change: Change = useCallback(
    (next) => setView((now) => (typeof next === "function" ? next(now) : { ...now, ...next })),
    [],
  );
  const names = view.run === null ? [] : [view.run, ...view.compare.filter((name) => name !== view.run)];
  const loaded = useRuns(source, names);
  const { entries, shown, message, reload } = loaded;
  if (message !== null) return <Empty message={message} reload={source.live ? reload : null} />;
  const [base, ...others] = shown;
  if (base === null || base === undefined) return <Empty message="Loading …" reload={null} />;
  const picker = { entries, isLive: source.live, reload };
  if (typeof base === "string")
    return <Empty message={base} reload={source.live ? reload : null} picker={picker} change={change} />;
  const failed = others.filter((each) => typeof each === "string");
  return (
    <Dashboard
      runs={[base, ...others.filter((each) => each instanceof Run)]}
      failed={failed}
      {...{ view, change, picker }}
    />
  );
}
