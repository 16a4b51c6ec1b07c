// Colors of the picture, light and dark. The style sheet gets them as variables, so that canvas and page agree.

import { MISSING, NON_FINITE } from "./classes.ts";

export interface Palette {
  background: string;
  panel: string;
  card: string;
  text: string;
  muted: string;
  rule: string;
  healthy: string;
  small: string[]; // by class, 1 to 4
  large: string[];
  paleSmall: string[]; // the same classes where a layer is not a cause itself
  paleLarge: string[];
  nonFinite: string;
  paleNonFinite: string;
  hatch: string;
  band: string; // what is healthy in the profile
  theory: string;
  good: string;
  error: string;
  warning: string;
  info: string;
  link: string;
  focus: string;
}

export const LIGHT: Palette = {
  background: "#ffffff",
  panel: "#f6f7f9",
  card: "#ffffff",
  text: "#1c2024",
  muted: "#5c6570",
  rule: "#d8dde3",
  healthy: "#eaecef",
  small: ["#b3d1f0", "#77abe1", "#3277c2", "#0a3a7a"],
  large: ["#f9c6aa", "#ee9266", "#cd4c29", "#80130e"],
  paleSmall: ["#dae6f4", "#bdd3ec", "#9bbbe0", "#7d9fcc"],
  paleLarge: ["#fbe6db", "#f4cdb8", "#e6ab95", "#c98c83"],
  nonFinite: "#c000f5",
  paleNonFinite: "#e3b2f2",
  hatch: "#c3c9d1",
  band: "#d3ecd8",
  theory: "#6b778848",
  good: "#1a7f37",
  error: "#b42318",
  warning: "#8a5a00",
  info: "#4b6a93",
  link: "#0b5cad",
  focus: "#0b5cad",
};

export const DARK: Palette = {
  background: "#16181d",
  panel: "#1e2127",
  card: "#1e2127",
  text: "#e8eaed",
  muted: "#a0a8b3",
  rule: "#3a3f48",
  healthy: "#2b2f36",
  small: ["#264a76", "#2f70b5", "#569fe6", "#a9d4ff"],
  large: ["#71391f", "#b2532a", "#ee7d47", "#ffc09a"],
  paleSmall: ["#2a3d56", "#2f4d73", "#3a6391", "#5680ac"],
  paleLarge: ["#4a352c", "#654334", "#825743", "#a1775f"],
  nonFinite: "#c414fa",
  paleNonFinite: "#6f3a85",
  hatch: "#4c525c",
  band: "#203a28",
  theory: "#aab4c440",
  good: "#56d364",
  error: "#ff8f85",
  warning: "#e3b341",
  info: "#8fb0dc",
  link: "#8ab8ff",
  focus: "#8ab8ff",
};

/** Returns the color of a class; "" if nothing was measured: such cells are hatched. */
export function colorOf(palette: Palette, code: number, isPale = false): string {
  if (code === MISSING) return "";
  if (code === NON_FINITE) return isPale ? palette.paleNonFinite : palette.nonFinite;
  if (code === 0) return palette.healthy;
  if (code < 0) return (isPale ? palette.paleSmall : palette.small)[-code - 1];
  return (isPale ? palette.paleLarge : palette.large)[code - 1];
}
