// One run, or several that are compared: header, toolbar, picture or table, and the details of a layer.

import { useMemo, useRef } from "preact/hooks";
import type { Run } from "../data/run.ts";
import { trackOf } from "../data/track.ts";
import { savePicture, saveTable } from "../export/save.ts";
import { treeOf } from "../fold/tree.ts";
import { causesOf, filtered } from "../state/causes.ts";
import { layoutOf, startStep, stepIndices, tracksOf, viewRows } from "../state/prepared.ts";
import { usePalette } from "../state/theme.ts";
import type { View } from "../state/view.ts";
import type { Change } from "./app.tsx";
import { Details } from "./details.tsx";
import { Header } from "./header.tsx";
import { LayerMap } from "./layer_map.tsx";
import { LayerTable } from "./layer_table.tsx";
import { Legend } from "./legend.tsx";
import { type Picker, Toolbar } from "./toolbar.tsx";
import { usePicture } from "./use_picture.ts";
import { usePrinting } from "./use_print.ts";
import { useSize } from "./use_size.ts";
import { useStable } from "./use_stable.ts";

interface Props {
  runs: Run[];
  failed: unknown[]; // why runs to compare with cannot be shown
  view: View;
  change: Change;
  picker: Picker;
}

export function Dashboard({ runs: given, failed, view, change, picker }: Props) {
  const runs = useStable(given);
  const [run] = runs;
  const isPrinting = usePrinting();
  const palette = usePalette(isPrinting);
  const tracks = useMemo(() => tracksOf(runs, view.isDifference), [runs, view.isDifference]);
  const base = useMemo(() => (tracks[0].isDifference ? trackOf(run) : tracks[0]), [tracks, run]);
  const items = useMemo(() => treeOf(run.layers), [run.layers]);
  const { opened, closed, cause, layer, severities, query } = view;
  const all = useMemo(() => causesOf(runs), [runs]);
  // Only these parts of the view decide.
  const rows = useMemo(
    () => viewRows(run, items, view, all),
    [run, items, all, opened, closed, cause, layer],
  );
  // Only this part of the view decides.
  const causes = useMemo(() => filtered(all, view), [all, severities]);
  const matches = useMemo(() => found(run, query), [run, query]);
  const step = view.step ?? startStep(run);
  const body = useRef<HTMLDivElement>(null);
  const size = useSize(body);
  const steps = useStable(stepIndices(tracks, step));
  const [baseStep] = stepIndices([base], step);
  const picture = usePicture({
    run,
    base,
    baseStep,
    tracks,
    steps,
    layout: layoutOf(runs),
    rows,
    causes,
    marked: cause,
    palette,
    size,
    isPrinting,
  });
  const chosen = layer === null ? undefined : run.layersOf(layer)[0];
  const save = (format: "png" | "svg" | "csv") =>
    format === "csv" ? saveTable(run, baseStep) : picture && savePicture(picture, causes, format);
  return (
    <div class="page">
      <Header run={run} track={base} step={baseStep} change={change} />
      <Toolbar
        {...{ run, view, change, picker, matches, save }}
        causes={all}
        steps={base.steps}
        step={baseStep}
      />
      {failed.map((message) => (
        <p class="lacks" key={String(message)}>
          {String(message)}
        </p>
      ))}
      <div class="body" ref={body}>
        {view.isTable || picture === null ? (
          size.width > 0 && (
            <LayerTable run={run} track={base} step={baseStep} change={change} query={query} />
          )
        ) : (
          <LayerMap {...{ picture, causes, view, change, size, isPrinting }} matches={matches} />
        )}
        {chosen !== undefined && (
          <Details run={run} layer={chosen} step={baseStep} change={change} palette={palette} />
        )}
      </div>
      <Legend
        palette={palette}
        isDifference={tracks.some((track) => track.isDifference)}
        hasCauses={tracks.some((track) => track.hasCauses)}
      />
    </div>
  );
}

function found(run: Run, query: string): number[] {
  const text = query.trim().toLowerCase();
  if (text === "") return [];
  return run.layers.flatMap((layer, index) => (layer.name.toLowerCase().includes(text) ? [index] : []));
}
