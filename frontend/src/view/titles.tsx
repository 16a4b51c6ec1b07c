// The titles of the panels and their horizontal axes, always visible above the rows.

import type { Picture } from "../draw/picture.ts";
import { isPower, levelTicks, profileScale } from "../draw/profile.ts";
import type { Layout, Panel } from "../layout/columns.ts";
import { count, number } from "../layout/words.ts";
import { outside } from "../state/prepared.ts";
import { box } from "./box.ts";
import type { MapProps } from "./layer_map.tsx";

const NAMES: Record<Panel["kind"], string> = {
  gain: "Gain",
  profile: "Signal",
  forward: "Forward rms",
  gradient: "Gradient norm",
  update: "Update",
};

const NARROW = 90; // pixels below which the name of a panel is one word
const SHORT = 350; // pixels of all panels of a track below which its title is shorter
const NARROWEST = 48; // pixels below which that word is cut off

const CLASSES: Record<Layout, string> = {
  run: "titles",
  fixes: "titles several fixes",
  runs: "titles several",
};

export function Titles({ picture }: MapProps) {
  const { columns, run } = picture;
  return (
    <div class={CLASSES[columns.layout]}>
      <div class="title" style={box({ left: 0, width: columns.names + columns.gutter.width })}>
        <b>Layer</b>
        <small>input at the top</small>
      </div>
      {columns.panels.map((panel) => (
        <div
          class={`title ${panel.kind} ${panel.width < NARROWEST && panel.kind !== "gain" ? "narrow" : ""}`}
          key={panel.x}
          style={box({ left: panel.x, width: panel.width })}
        >
          {columns.layout !== "run" && panel.kind === "gain" && (
            <TrackTitle panel={panel} picture={picture} />
          )}
          <b title={explained(panel, run.data.reference)}>{titleOf(panel, picture)}</b>
          <Axis panel={panel} picture={picture} />
        </div>
      ))}
    </div>
  );
}

/** The name of a track above its panels; where the fixes are beside it, with how many layers are off. */
function TrackTitle({ panel, picture }: { panel: Panel; picture: Picture }) {
  const { columns, tracks, steps, run } = picture;
  const track = tracks[panel.track];
  if (columns.layout === "runs") return <span class="track">{track.label}</span>;
  const last = columns.panels.findLast((each) => each.track === panel.track) ?? panel;
  const width = last.x + last.width - panel.x;
  const amount = outside(track, steps[panel.track], run.layers.length);
  const all = width < SHORT ? run.layers.length : count(run.layers.length, "layer");
  return (
    <span
      class={amount === 0 ? "track good" : "track"}
      style={box({ width })}
      title="how many layers are more than 2x from what is expected"
    >
      {track.label}{" "}
      <small>
        {amount} of {all} outside the range
      </small>
    </span>
  );
}

function titleOf(panel: Panel, picture: Picture): string {
  const step = picture.tracks[panel.track].steps[picture.steps[panel.track]];
  if (panel.kind === "profile") return panel.width < 140 ? `Signal, ${step}` : `Signal at step ${step}`;
  if (panel.width < NARROW && panel.kind === "forward") return "Forward";
  if (panel.width < NARROW && panel.kind === "gradient") return "Gradient";
  return NAMES[panel.kind];
}

function explained(panel: Panel, reference: { forward: string; gradient: string }): string {
  if (panel.kind === "forward" || panel.kind === "profile")
    return `rms of the output; expected: ${reference.forward || "unknown"}`;
  if (panel.kind === "gradient")
    return `norm of the loss's gradient at the output; expected: ${reference.gradient || "unknown"}`;
  if (panel.kind === "gain")
    return "output rms / input rms, against what the layer's activation expects: shows the cause";
  return "rms of the step's change / rms of the weight; usual is about 0.001";
}

function Axis({ panel, picture }: { panel: Panel; picture: Picture }) {
  if (panel.kind === "gain") {
    const { steps } = picture.tracks[panel.track];
    const [shown, selected] = [picture.gainSteps[panel.track], picture.steps[panel.track]];
    return <small>{shown < 0 || shown === selected ? "cause" : `step ${steps[shown]}`}</small>;
  }
  if (panel.kind === "profile") return <ProfileAxis panel={panel} picture={picture} />;
  if (panel.kind === "update") {
    const { steps } = picture.tracks[panel.track];
    const [shown, selected] = [steps[picture.updateStep], steps[picture.steps[panel.track]]];
    return (
      <small class="ends">
        <span>1e-6</span>
        <span>{shown === selected ? "" : `step ${shown}`}</span>
        <span>1</span>
      </small>
    );
  }
  return <StepAxis panel={panel} picture={picture} />;
}

function ProfileAxis({ panel, picture }: { panel: Panel; picture: Picture }) {
  const scale = profileScale(panel, picture.levels);
  return (
    <small class="ticks" title="rms of the output, log scale">
      {levelTicks(scale, panel).map((tick) => (
        <span key={tick} style={box({ left: scale(tick) - panel.x })}>
          {isPower(tick) ? superscript(tick) : number(2 ** tick)}
        </span>
      ))}
    </small>
  );
}

function superscript(exponent: number) {
  return (
    <>
      2<sup>{exponent}</sup>
    </>
  );
}

function StepAxis({ panel, picture }: { panel: Panel; picture: Picture }) {
  const { steps } = picture.tracks[panel.track];
  if (steps.length === 0) return <small>no common step</small>;
  if (steps.length === 1) return <small>step {steps[0]}</small>;
  const at = picture.steps[panel.track];
  const left = ((at + 0.5) * panel.width) / steps.length;
  const isBetween = left > 50 && left < panel.width - 50;
  return (
    <small class="ends">
      <span>{panel.width > 90 ? `step ${steps[0]}` : steps[0]}</span>
      {isBetween && (
        <span class="at" style={box({ left })}>
          {steps[at]}
        </span>
      )}
      <span>{steps[steps.length - 1]}</span>
    </small>
  );
}
