// What the pointer is on, in exact numbers. Only this part of the page changes while the pointer moves.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Picture } from "../draw/picture.ts";
import { sharesOf } from "../draw/updates.ts";
import type { Row } from "../fold/rows.ts";
import { type OffStatistic, worstLayer } from "../fold/worst.ts";
import type { Panel } from "../layout/columns.ts";
import { described, OFF } from "../layout/describe.ts";
import { contents, number } from "../layout/words.ts";
import type { Change } from "./app.tsx";
import { box } from "./box.ts";
import { open } from "./names.tsx";

interface Spot {
  index: number; // row
  panel: Panel | null;
  step: number; // index
  x: number; // in the window
  y: number;
}

interface Props {
  picture: Picture;
  change: Change;
  children: ComponentChildren;
}

export function Hover({ picture, change, children }: Props) {
  const [spot, setSpot] = useState<Spot | null>(null);
  const { rows, rowHeight, columns, tracks } = picture;
  const onClick = (event: MouseEvent) => {
    const at = spotOf(event, picture);
    if (at === null || at.panel === null) return;
    const isHeatmap = at.panel.kind === "forward" || at.panel.kind === "gradient";
    if (isHeatmap) change({ step: tracks[at.panel.track].steps[at.step] });
    open(rows[at.index], change);
  };
  const isValid = spot !== null && spot.index < rows.length;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree inside does the same by keyboard.
    // biome-ignore lint/a11y/noStaticElementInteractions: the tree inside has the roles.
    <div
      class="hover"
      style={box({ width: columns.end + 6, height: rows.length * rowHeight })}
      onMouseMove={(event) => setSpot(spotOf(event, picture))}
      onMouseLeave={() => setSpot(null)}
      onClick={onClick}
    >
      {children}
      {isValid && (
        <div
          class="row-line"
          style={box({ top: spot.index * rowHeight, height: rowHeight, width: columns.end + 4 })}
        />
      )}
      {isValid && spot.panel && <Tooltip picture={picture} spot={spot} />}
    </div>
  );
}

function spotOf(event: MouseEvent, picture: Picture): Spot | null {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const index = Math.floor(y / picture.rowHeight);
  if (index < 0 || index >= picture.rows.length) return null;
  const panel = picture.columns.panels.find((each) => x >= each.x && x < each.x + each.width) ?? null;
  const steps = panel ? picture.tracks[panel.track].steps.length : 0;
  const isHeatmap = panel?.kind === "forward" || panel?.kind === "gradient";
  const step =
    panel && isHeatmap ? Math.floor(((x - panel.x) / panel.width) * steps) : stepOf(panel, picture);
  return { index, panel, step, x: event.clientX, y: event.clientY };
}

/** The step that a panel without an axis of steps shows. */
function stepOf(panel: Panel | null, picture: Picture): number {
  if (panel === null) return 0;
  return panel.kind === "gain" ? Math.max(0, picture.gainSteps[panel.track]) : picture.steps[panel.track];
}

function Tooltip({ picture, spot }: { picture: Picture; spot: Spot }) {
  const panel = spot.panel as Panel;
  const track = picture.tracks[panel.track];
  const row = picture.rows[spot.index];
  const main: OffStatistic =
    panel.kind === "gradient" ? "gradient_off" : panel.kind === "gain" ? "gain_off" : "forward_off";
  const worst = worstLayer(track, main, spot.step, row);
  const isRight = spot.x > window.innerWidth * 0.6;
  const isLow = spot.y > window.innerHeight * 0.7;
  const style = box({
    ...(isRight ? { right: window.innerWidth - spot.x + 14 } : { left: spot.x + 14 }),
    ...(isLow ? { bottom: window.innerHeight - spot.y + 10 } : { top: spot.y + 14 }),
  });
  return (
    <div class="tooltip" style={style}>
      <b>{row.label}</b>
      <small>
        {track.label && `${track.label}, `}step {track.steps[spot.step]}
        {contents(row) && `, ${contents(row)}; the worst is ${picture.run.layers[worst].name}`}
      </small>
      {OFF.map((statistic) => (
        <div key={statistic} class={statistic === main ? "main" : ""}>
          {described(track, statistic, spot.step, worst)}
        </div>
      ))}
      <Rest picture={picture} spot={spot} row={row} worst={worst} />
      <OtherTrack picture={picture} spot={spot} statistic={main} layer={worst} />
    </div>
  );
}

/** The same quantity of the same layer beside it: with the fixes, or as it is now. */
function OtherTrack({
  picture,
  spot,
  statistic,
  layer,
}: {
  picture: Picture;
  spot: Spot;
  statistic: OffStatistic;
  layer: number;
}) {
  const { columns, tracks, steps } = picture;
  if (columns.layout !== "fixes" || spot.panel === null) return null;
  const other = 1 - spot.panel.track;
  const words = described(tracks[other], statistic, steps[other], layer);
  return (
    <div class="other">
      <b>{tracks[other].label}</b> {words}
    </div>
  );
}

function Rest({ picture, spot, row, worst }: { picture: Picture; spot: Spot; row: Row; worst: number }) {
  const panel = spot.panel as Panel;
  const track = picture.tracks[panel.track];
  if (track.isDifference) return null;
  const shares = sharesOf(track, panel.kind === "update" ? picture.updateStep : spot.step, row);
  const dead = track.at("dead", spot.step, worst);
  const theory = spot.step === 0 && panel.kind === "profile" ? (track.theory[worst] ?? null) : null;
  return (
    <>
      {shares && (
        <div class={panel.kind === "update" ? "main" : ""}>
          update / weight{" "}
          {shares[0] === shares[2] ? number(shares[1]) : `${number(shares[0])} to ${number(shares[2])}`}
        </div>
      )}
      {!Number.isNaN(dead) && <div>dead or saturated units {number(dead * 100)} %</div>}
      {theory !== null && <div>predicted from the weights: rms {number(2 ** theory)}</div>}
    </>
  );
}
