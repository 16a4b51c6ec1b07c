// The names of the rows, as a tree that works with the keyboard and a screen reader.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Window } from "../draw/picture.ts";
import { type Row, rowWith } from "../fold/rows.ts";
import { rowInWords, shortened } from "../layout/describe.ts";
import { folded } from "../state/view.ts";
import type { Change } from "./app.tsx";
import { box } from "./box.ts";
import type { MapProps } from "./layer_map.tsx";
import { memo } from "./memo.ts";

interface Props extends MapProps {
  window: Window;
}

export function Names(props: Props) {
  const { picture, window, view, change, matches, causes } = props;
  const { rows, rowHeight, columns } = picture;
  const [active, setActive] = useState(0);
  const tree = useRef<HTMLDivElement>(null);
  const chosen = view.layer === null ? -1 : rowWith(rows, picture.run.layersOf(view.layer)[0] ?? -1);
  useEffect(() => {
    if (chosen >= 0) setActive(chosen);
  }, [chosen]);
  const current = Math.min(active, rows.length - 1);
  const move = (to: number) => {
    setActive(to);
    keepVisible(tree.current, to * rowHeight, rowHeight);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (handleKey(event.key, rows, current, move, change)) event.preventDefault();
  };
  const found = useMemo(() => new Set(matches.map((layer) => rowWith(rows, layer))), [matches, rows]);
  const shown = Array.from({ length: window.last - window.first + 1 }, (_, offset) => window.first + offset);
  return (
    <div
      ref={tree}
      class={found.size > 0 ? "names searching" : "names"}
      role="tree"
      aria-label="Layers, input first"
      tabIndex={0}
      aria-activedescendant={`row-${current}`}
      onKeyDown={onKeyDown}
      style={box({ width: columns.names, height: rows.length * rowHeight })}
    >
      {shown.map((index) => (
        <Name
          key={rows[index].id}
          {...{
            picture,
            change,
            causes,
            index,
            isFound: found.has(index),
            isActive: index === current,
            isChosen: index === chosen,
          }}
        />
      ))}
    </div>
  );
}

type NameProps = Pick<Props, "picture" | "change" | "causes"> & {
  index: number;
  isFound: boolean;
  isActive: boolean;
  isChosen: boolean;
};

// Scrolling adds rows at one end; the others stay as they are.
const Name = memo(drawName);

function drawName({ picture, change, index, isFound, isActive, isChosen, causes }: NameProps) {
  const { rows, rowHeight, columns, run, base, baseStep } = picture;
  const row = rows[index];
  const isFolded = row.children.length > 0;
  const severity = causes.find(
    ({ finding, layers }) =>
      finding.suppressed === null && layers.some((layer) => layer >= row.start && layer < row.end),
  )?.finding.severity;
  const characters = Math.floor((columns.names - 30) / 6.7) - (isFolded ? 5 : 0);
  const classes = [
    "name",
    severity ?? "",
    isFound && "found",
    isActive && "active",
    isChosen && "chosen",
    isFolded && "folded",
  ];
  const isFirst =
    row.parent !== null && rows[index - 1]?.parent !== row.parent && row.start === row.parent.start;
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus; aria-activedescendant names the item.
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles the keys of all items.
    <div
      id={`row-${index}`}
      class={classes.filter(Boolean).join(" ")}
      role="treeitem"
      aria-level={row.level + 1}
      aria-selected={isChosen}
      aria-expanded={isFolded ? false : undefined}
      aria-setsize={rows.length}
      aria-posinset={index + 1}
      aria-label={rowInWords(run, base, baseStep, row)}
      title={row.label}
      style={box({ top: index * rowHeight, height: rowHeight, lineHeight: rowHeight })}
      onClick={() => open(row, change)}
    >
      {row.parent && !isFolded && <i class={isFirst ? "inside first" : "inside"} />}
      {isFolded && <i class="fold">▸</i>}
      {isFirst && <FoldButton row={row.parent as Row} change={change} />}
      {severity && <i class="mark">●</i>}
      {shortened(row.label, characters)}
      {isFolded && <small> ×{row.end - row.start}</small>}
    </div>
  );
}

function FoldButton({ row, change }: { row: Row; change: Change }) {
  const fold = (event: Event) => {
    event.stopPropagation();
    change((view) => folded({ ...view, layer: null }, row.id, false));
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the left arrow does the same on the tree.
    // biome-ignore lint/a11y/noStaticElementInteractions: part of the tree item, for the mouse only.
    <i class="fold" title={`Fold ${row.label}`} onClick={fold}>
      ▾
    </i>
  );
}

/** Unfolds a folded row; opens the details of a layer. */
export function open(row: Row, change: Change): void {
  if (row.children.length > 0) change((view) => folded(view, row.id, true));
  else change({ layer: row.id });
}

/** Returns whether the key meant something. */
function handleKey(
  key: string,
  rows: Row[],
  at: number,
  move: (to: number) => void,
  change: Change,
): boolean {
  const last = rows.length - 1;
  const targets: Record<string, number> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + 20,
    PageUp: at - 20,
    Home: 0,
    End: last,
  };
  const row = rows[at];
  if (key in targets) move(Math.max(0, Math.min(last, targets[key])));
  else if (key === "Enter" || key === " ") open(row, change);
  else if (key === "ArrowRight" && row.children.length > 0) open(row, change);
  else if (key === "ArrowLeft" && row.parent) {
    const parent = row.parent;
    move(rows.findIndex((each) => each.start >= parent.start));
    change((view) => folded({ ...view, layer: null }, parent.id, false));
  } else if (key === "Escape") change({ layer: null, cause: null });
  else return false;
  return true;
}

function keepVisible(tree: HTMLElement | null, top: number, height: number): void {
  const scroller = tree?.closest(".map");
  if (!scroller || !tree) return;
  const titles = 70; // they stay above the rows
  const offset = tree.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
  const y = offset + top;
  if (y < titles) scroller.scrollTop += y - titles;
  else if (y + height > scroller.clientHeight - 10)
    scroller.scrollTop += y + height - scroller.clientHeight + 10;
}
