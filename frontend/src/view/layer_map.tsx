// The picture on the screen: names, panels and cards in one scrolling area. Only a part of a long network is drawn,
// somewhat more than the window shows, so that scrolling usually moves what is drawn already.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { CanvasSurface } from "../draw/canvas.ts";
import { drawPicture, type Picture, type Window } from "../draw/picture.ts";
import { rowWith } from "../fold/rows.ts";
import type { ShownCause } from "../state/causes.ts";
import type { View } from "../state/view.ts";
import type { Change } from "./app.tsx";
import { box } from "./box.ts";
import { Cards } from "./cards.tsx";
import { Hover } from "./hover.tsx";
import { Names } from "./names.tsx";
import { StepLines } from "./step_lines.tsx";
import { Titles } from "./titles.tsx";
import type { Size } from "./use_size.ts";

export interface MapProps {
  picture: Picture;
  causes: ShownCause[];
  view: View;
  change: Change;
  size: Size;
  matches: number[];
  isPrinting: boolean;
}

export function LayerMap(props: MapProps) {
  const { picture, view, size, isPrinting } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [cardsHeight, setCardsHeight] = useState(0);
  const window = useWindow(scroller, picture, size, isPrinting);
  const rowsHeight = picture.rows.length * picture.rowHeight;
  useScrolling(scroller, picture, view, props.causes);
  const isBeside = picture.columns.cards !== null;
  return (
    <div class="map" ref={scroller}>
      {!isBeside && <Cards {...props} onHeight={setCardsHeight} />}
      <Titles {...props} />
      <div class="rows" style={box({ height: Math.max(rowsHeight + 8, isBeside ? cardsHeight : 0) })}>
        <Canvas picture={picture} window={window} />
        <StepLines picture={picture} height={rowsHeight} />
        <Hover picture={picture} change={props.change}>
          <Names {...props} window={window} />
        </Hover>
        {isBeside && <Cards {...props} onHeight={setCardsHeight} />}
      </div>
    </div>
  );
}

/** The rows to draw: those in the window, and as many above and below. */
function useWindow(
  scroller: { current: HTMLDivElement | null },
  picture: Picture,
  size: Size,
  isPrinting: boolean,
): Window {
  const [chunk, setChunk] = useState(0);
  const half = Math.max(200, size.height / 2);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const listen = () => setChunk(Math.floor(element.scrollTop / half));
    listen();
    element.addEventListener("scroll", listen, { passive: true });
    return () => element.removeEventListener("scroll", listen);
  }, [scroller, half]);
  const { rows, rowHeight } = picture;
  return useMemo(() => {
    if (isPrinting) return { first: 0, last: Math.min(rows.length, 1200) - 1, top: 0 };
    const first = Math.max(0, Math.floor(((chunk - 0.5) * half) / rowHeight));
    const last = Math.min(rows.length - 1, Math.ceil(((chunk + 3.5) * half) / rowHeight));
    return { first: Math.min(first, rows.length - 1), last, top: 0 };
  }, [chunk, half, rows.length, rowHeight, isPrinting]);
}

const MARGIN = 4; // pixels above the first row that a bracket needs

function Canvas({ picture, window }: { picture: Picture; window: Window }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { columns, rowHeight } = picture;
  const width = columns.end + 8 - columns.names;
  const height = (window.last - window.first + 1) * rowHeight + 2 * MARGIN;
  useLayoutEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const density = globalThis.devicePixelRatio || 1;
    element.width = Math.round(width * density);
    element.height = Math.round(height * density);
    context.setTransform(density, 0, 0, density, -columns.names * density, MARGIN * density);
    drawPicture(new CanvasSurface(context), picture, { ...window, top: -window.first * rowHeight });
  }, [picture, window, width, height, columns.names, rowHeight]);
  const top = window.first * rowHeight - MARGIN;
  const label =
    "Structure, gain, profile, forward and gradient of each layer by step. The list of layers has the same values in words.";
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={label}
      style={box({ left: columns.names, top, width, height })}
    />
  );
}

/** Scrolls to the layers of a marked card, and to a layer that was searched for. */
function useScrolling(
  scroller: { current: HTMLDivElement | null },
  picture: Picture,
  view: View,
  causes: ShownCause[],
): void {
  const latest = useRef(picture);
  latest.current = picture;
  // Scroll when the choice changes, not when the picture does.
  useEffect(() => {
    const marked = causes.find(({ finding }) => finding.key === view.cause)?.layers[0];
    scrollTo(scroller.current, latest.current, marked);
  }, [view.cause]);
  useEffect(() => {
    const chosen = view.layer === null ? undefined : latest.current.run.layersOf(view.layer)[0];
    scrollTo(scroller.current, latest.current, chosen);
  }, [scroller, view.layer]);
}

function scrollTo(element: HTMLDivElement | null, picture: Picture, layer: number | undefined): void {
  if (!element || layer === undefined) return;
  const y = rowWith(picture.rows, layer) * picture.rowHeight;
  const isVisible = y > element.scrollTop + 20 && y < element.scrollTop + element.clientHeight - 120;
  if (!isVisible) element.scrollTo({ top: Math.max(0, y - element.clientHeight / 3) });
}
