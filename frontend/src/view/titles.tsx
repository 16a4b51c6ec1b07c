// The titles of the panels and their horizontal axes, always visible above the rows.

import type { Picture } from "../draw/picture.ts";
import { isPower, levelTicks, profileScale } from "../draw/profile.ts";
import type { Panel } from "../layout/columns.ts";
import { number } from "../layout/words.ts";
import { box } from "./box.ts";
import type { MapProps } from "./layer_map.tsx";

const NAMES: Record<Panel["kind"], string> = {
  gain: "Gain",
  profile: "Signal",
  forward: "Forward rms",
  gradient: "Gradient norm",
  update: "Update",
};

export function Titles({ picture }: MapProps) {
  const { columns, tracks, run } = picture;
  const isSeveral = tracks.length > 1 || tracks[0].isDifference;
  return (
    <div class={isSeveral ? "titles several" : "titles"}>
      <div class="title" style={box({ left: 0, width: columns.names + columns.gutter.width })}>
        <b>Layer</b>
        <small>input at the top</small>
      </div>
      {columns.panels.map((panel) => (
        <div class={`title ${panel.kind}`} key={panel.x} style={box({ left: panel.x, width: panel.width })}>
          {isSeveral && (panel.kind === "gain" || panel.kind === "profile") && (
            <span class="track">{tracks[panel.track].label}</span>
          )}
          <b title={explained(panel, run.data.reference)}>{titleOf(panel, picture)}</b>
          <Axis panel={panel} picture={picture} />
        </div>
      ))}
    </div>
  );
}

function titleOf(panel: Panel, picture: Picture): string {
  const step = picture.tracks[panel.track].steps[picture.steps[panel.track]];
  if (panel.kind === "profile") return panel.width < 140 ? `Signal, ${step}` : `Signal at step ${step}`;
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
