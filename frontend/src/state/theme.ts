// Light or dark: as TensorBoard's switch in its tab, else as the system's setting. Print is always light.

import { useEffect, useState } from "preact/hooks";
import { DARK, LIGHT, type Palette } from "../colour/palette.ts";
import { isEmbedded } from "./address.ts";

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function isDark(): boolean {
  return isEmbedded ? window.parent.document.body.classList.contains("dark-mode") : systemIsDark.matches;
}

export function usePalette(isPrinting: boolean): Palette {
  const [dark, setDark] = useState(isDark());
  useEffect(() => {
    const update = () => setDark(isDark());
    const observer = new MutationObserver(update);
    const options = { attributes: true, attributeFilter: ["class"] };
    if (isEmbedded) observer.observe(window.parent.document.body, options);
    systemIsDark.addEventListener("change", update);
    return () => {
      observer.disconnect();
      systemIsDark.removeEventListener("change", update);
    };
  }, []);
  const palette = dark && !isPrinting ? DARK : LIGHT;
  useEffect(() => applyPalette(palette), [palette]);
  return palette;
}

function applyPalette(palette: Palette): void {
  const style = document.documentElement.style;
  style.colorScheme = palette === DARK ? "dark" : "light";
  for (const [name, color] of Object.entries(palette))
    if (typeof color === "string") style.setProperty(`--${name}`, color);
}
