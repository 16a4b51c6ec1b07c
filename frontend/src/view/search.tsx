// Search of a layer by name. Enter goes to the next match, Shift+Enter to the one before; "/" comes here.

import { useEffect, useRef, useState } from "preact/hooks";
import type { ToolbarProps } from "./toolbar.tsx";

export function Search({ run, matches, view, change }: ToolbarProps) {
  const input = useRef<HTMLInputElement>(null);
  const [at, setAt] = useState(-1);
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const isTyping =
        event.target instanceof HTMLInputElement &&
        event.target.type !== "range" &&
        event.target.type !== "checkbox";
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
  const go = (by: number) => {
    if (matches.length === 0) return;
    const next = (at + by + matches.length) % matches.length;
    setAt(next);
    change({ layer: run.layers[matches[next]].name });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter") go(event.shiftKey ? -1 : 1);
    if (event.key !== "Escape") return;
    change({ query: "" });
    input.current?.blur();
  };
  return (
    <label class="search">
      <span class="hidden">Search a layer by name</span>
      <input
        ref={input}
        type="search"
        placeholder="Search layers ( / )"
        value={view.query}
        onInput={(event) => {
          setAt(-1);
          change({ query: event.currentTarget.value });
        }}
        onKeyDown={onKeyDown}
      />
      {view.query !== "" && (
        <span class="found" role="status">
          {at < 0 ? matches.length : `${at + 1} of ${matches.length}`}
        </span>
      )}
    </label>
  );
}
