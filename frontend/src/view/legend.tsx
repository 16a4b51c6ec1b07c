// What the colors and marks mean.

import { EDGES, NON_FINITE } from "../colour/classes.ts";
import { colorOf, type Palette } from "../colour/palette.ts";

interface Props {
  palette: Palette;
  isDifference: boolean;
  hasCauses: boolean;
}

export function Legend({ palette, isDifference, hasCauses }: Props) {
  const factors = EDGES.map((edge) => 2 ** edge);
  const swatches: [number, string][] = [
    ...[...factors]
      .reverse()
      .map((factor, index): [number, string] => [index - factors.length, `÷${factor}`]),
    [0, isDifference ? "similar" : "healthy"],
    ...factors.map((factor, index): [number, string] => [index + 1, `×${factor}`]),
    [NON_FINITE, "NaN or infinite"],
  ];
  return (
    <footer class="legend">
      <span>{isDifference ? "Differs from the first run by at least" : "Off by at least"}</span>
      {swatches.map(([code, words]) => (
        <span key={code}>
          <i class="swatch" style={{ background: colorOf(palette, code) }} />
          {words}
        </span>
      ))}
      <span>
        <i class="swatch hatched" />
        not measured
      </span>
      {hasCauses && (
        <span>
          <i class="swatch" style={{ background: colorOf(palette, -3, true) }} />
          <i class="swatch" style={{ background: colorOf(palette, 3, true) }} />
          paler: an effect, not a cause
        </span>
      )}
      <span>
        <i class="swatch" style={{ background: palette.band }} />
        healthy band
      </span>
      <span>
        <i class="swatch" style={{ background: palette.theory }} />
        predicted from the weights
      </span>
    </footer>
  );
}
