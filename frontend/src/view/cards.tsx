// The cards of the causes, beside their rows where there is room, else above the picture.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { severityColor } from "../draw/brackets.ts";
import type { Picture } from "../draw/picture.ts";
import { placeCards } from "../layout/cards.ts";
import type { ShownCause } from "../state/causes.ts";
import { box } from "./box.ts";
import { Card } from "./card.tsx";
import type { MapProps } from "./layer_map.tsx";

interface Props extends MapProps {
  onHeight: (height: number) => void; // where the last card ends
}

const GAP = 10;
const MANY = 4; // more cards than this are short until they are clicked

export function Cards(props: Props) {
  const { picture, causes, view, change, onHeight } = props;
  const list = useRef<HTMLDivElement>(null);
  const [heights, setHeights] = useState<number[]>([]);
  const { cards } = picture.columns;
  useLayoutEffect(() => {
    const measured = Array.from(list.current?.children ?? [], (card) => (card as HTMLElement).offsetHeight);
    setHeights((now) => (now.join() === measured.join() ? now : measured));
  });
  const tops = topsOf(picture, causes, heights);
  const bottom = causes.reduce((most, _, index) => Math.max(most, tops[index] + (heights[index] ?? 0)), 0);
  useLayoutEffect(() => onHeight(bottom + GAP), [bottom, onHeight]);
  if (causes.length === 0) return null;
  return (
    <>
      {cards && <Connectors {...props} tops={tops} />}
      <div
        ref={list}
        class={cards ? "cards beside" : "cards above"}
        style={cards ? box({ left: cards.x, width: cards.width }) : {}}
      >
        {causes.map((cause, index) => (
          <Card
            key={cause.finding.key}
            {...{ cause, change, base: picture.base, step: picture.base.steps[picture.baseStep] ?? 0 }}
            isMarked={cause.finding.key === view.cause}
            isShort={causes.length > MANY && cause.finding.key !== view.cause}
            top={cards ? tops[index] : null}
          />
        ))}
      </div>
    </>
  );
}

/** The first rows that a cause names, or the top of the picture for the whole network. */
function middleOf(picture: Picture, index: number): number {
  const [span] = picture.brackets[index]?.spans ?? [];
  return span ? ((span[0] + span[1] + 1) / 2) * picture.rowHeight : 0;
}

function topsOf(picture: Picture, causes: ShownCause[], heights: number[]): number[] {
  const requests = causes.map((_, index) => {
    const height = heights[index] ?? 120;
    return { want: middleOf(picture, index) - Math.min(height / 2, 90), height };
  });
  return placeCards(requests, GAP, picture.rows.length * picture.rowHeight);
}

/** Lines from the brackets to their cards. */
function Connectors({ picture, causes, tops }: Props & { tops: number[] }) {
  const { columns, palette, brackets } = picture;
  if (!columns.cards) return null;
  const [from, to] = [columns.end + 5, columns.cards.x];
  const bend = (from + to) / 2;
  return (
    <svg class="connectors" aria-hidden="true" style={box({ left: from, width: to - from })}>
      {causes.map(({ finding }, index) => {
        if (!brackets[index] || brackets[index].spans.length === 0) return null;
        const [start, end] = [middleOf(picture, index), tops[index] + 20];
        const path = `M0 ${start} C${bend - from} ${start} ${bend - from} ${end} ${to - from} ${end}`;
        return (
          <path
            key={finding.key}
            d={path}
            fill="none"
            stroke={severityColor(palette, brackets[index].severity)}
            stroke-width={1.6}
          />
        );
      })}
    </svg>
  );
}
