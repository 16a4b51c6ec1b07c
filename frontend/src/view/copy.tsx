// A button that copies a text.

import { useEffect, useState } from "preact/hooks";

export function Copy({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState<"ready" | "copied" | "failed">("ready");
  useEffect(() => {
    if (state === "ready") return;
    const timer = setTimeout(() => setState("ready"), 1600);
    return () => clearTimeout(timer);
  }, [state]);
  const onClick = async (event: MouseEvent) => {
    event.stopPropagation();
    setState((await copied(text)) ? "copied" : "failed");
  };
  const words = { ready: "Copy", copied: "Copied", failed: "Press Ctrl+C" }[state];
  return (
    <button type="button" class="copy" aria-label={`Copy ${label}`} onClick={onClick}>
      <span aria-live="polite">{words}</span>
    </button>
  );
}

/** The clipboard's interface is blocked in some iframes; the older command works there. */
async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
