// The selected step as a line on every heatmap.

import type { Picture } from "../draw/picture.ts";
import { box } from "./box.ts";

export function StepLines({ picture, height }: { picture: Picture; height: number }) {
  return (
    <>
      {picture.columns.panels.map((panel) => {
        const steps = picture.tracks[panel.track].steps.length;
        if ((panel.kind !== "forward" && panel.kind !== "gradient") || steps < 2) return null;
        const left = panel.x + ((picture.steps[panel.track] + 0.5) * panel.width) / steps;
        return <div class="step-line" key={panel.x} style={box({ left, height })} />;
      })}
    </>
  );
}
