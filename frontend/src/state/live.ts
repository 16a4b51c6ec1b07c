// New steps while a run is training. TensorBoard's reload button cannot be seen from here, so the page asks every few
// seconds, as long as it is visible and steps keep arriving.

import { useEffect, useRef } from "preact/hooks";

export const EVERY = 5_000; // ms between two questions
export const YOUNG = 120_000; // ms without a new step after which the run counts as ended

/** Whether to ask at `now`, where the last new step arrived at `arrived`. */
export function shouldAsk(now: number, arrived: number, isVisible: boolean): boolean {
  return isVisible && now - arrived < YOUNG;
}

/** Calls `ask` regularly; it returns whether there was a new step. */
export function useLive(isLive: boolean, ask: () => Promise<boolean>, restart: unknown): void {
  const latest = useRef(ask);
  latest.current = ask;
  // A reload by hand restarts the clock.
  useEffect(() => {
    if (!isLive) return;
    let arrived = Date.now();
    let asking = false;
    const timer = setInterval(async () => {
      if (asking || !shouldAsk(Date.now(), arrived, isVisible())) return;
      asking = true;
      if (await latest.current().catch(() => false)) arrived = Date.now();
      asking = false;
    }, EVERY);
    return () => clearInterval(timer);
  }, [isLive, restart]);
}

/** TensorBoard hides the iframe of another tab with display: none, which gives it no width. */
function isVisible(): boolean {
  return document.visibilityState === "visible" && window.innerWidth > 0;
}
