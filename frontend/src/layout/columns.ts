// Where each panel is on the horizontal axis, for a width, and what is left out if that is narrow.

export type PanelKind = "gain" | "profile" | "forward" | "gradient" | "update";

export interface Panel {
  kind: PanelKind;
  track: number; // index of the track that it shows
  x: number;
  width: number;
}

/** One run; its first step as it is and with the fixes; or several runs, or a difference: fewer panels of each. */
export type Layout = "run" | "fixes" | "runs";

export interface Columns {
  layout: Layout;
  names: number; // width of the names, which begin at 0
  gutter: { x: number; width: number };
  panels: Panel[];
  end: number; // right edge of the last panel
  cards: { x: number; width: number } | null; // null: above the panels
}

export interface ColumnRequest {
  width: number;
  longestName: number; // characters
  lanes: number;
  tracks: number;
  layout: Layout;
  hasCards: boolean;
  hasUpdates: boolean;
}

const GAP = 14;
const BETWEEN = 30; // between the panels as they are and with the fixes
const CHARACTER = 6.7; // width of one, of the fixed-width font at 11 px
export const LANE = 11;
const NARROW = 1000;

export function columnsOf(request: ColumnRequest): Columns {
  const { width, lanes, tracks } = request;
  const beside = request.hasCards && width >= NARROW;
  const cardWidth = beside ? Math.round(Math.min(380, Math.max(280, width * 0.255))) : 0;
  const most = width < NARROW ? 150 : request.layout === "run" ? 250 : 190;
  const names = Math.round(Math.min(most, Math.max(96, 34 + request.longestName * CHARACTER)));
  const gutter = { x: names, width: 16 + lanes * LANE };
  const left = names + gutter.width + 4;
  const right = width - (beside ? cardWidth + 34 : 8);
  const panels = {
    run: () => single(left, right, request.hasUpdates),
    fixes: () => beforeAndAfter(left, right),
    runs: () => compared(left, right, tracks),
  }[request.layout]();
  const last = panels[panels.length - 1];
  const end = last.x + last.width;
  return {
    layout: request.layout,
    names,
    gutter,
    panels,
    end,
    cards: beside ? { x: width - cardWidth - 4, width: cardWidth } : null,
  };
}

function single(left: number, right: number, hasUpdates: boolean): Panel[] {
  const total = right - left;
  const gain = 44;
  const update = hasUpdates && total > 560 ? 84 : 0;
  const profile = Math.round(Math.min(230, Math.max(110, total * 0.22)));
  const gaps = GAP * (update > 0 ? 4 : 3);
  const heat = Math.floor((total - gain - update - profile - gaps) / 2);
  const kinds: [PanelKind, number][] = [
    ["gain", gain],
    ["profile", profile],
    ["forward", heat],
    ["gradient", heat],
  ];
  if (update > 0) kinds.push(["update", update]);
  return placed(
    left,
    kinds.map(([kind, width]) => ({ kind, width, track: 0 })),
  );
}

/** The same panels for the first step as it is, and with the fixes. */
function beforeAndAfter(left: number, right: number): Panel[] {
  const half = Math.floor((right - left - BETWEEN) / 2);
  const gain = half > 350 ? 44 : 18;
  const profile = Math.round(Math.min(230, half * (half > 320 ? 0.45 : 0.4)));
  const heat = Math.floor((half - gain - profile - GAP * 3) / 2);
  const panels = (track: number): Omit<Panel, "x">[] => [
    { kind: "gain", width: gain, track },
    { kind: "profile", width: profile, track },
    { kind: "forward", width: heat, track },
    { kind: "gradient", width: heat, track },
  ];
  return [...placed(left, panels(0)), ...placed(left + half + BETWEEN, panels(1))];
}

function compared(left: number, right: number, tracks: number): Panel[] {
  const gain = 18;
  const each = (right - left - GAP * (tracks * 3 - 1)) / tracks - gain;
  const heat = Math.max(24, Math.floor(each / 2));
  const panels = Array.from({ length: tracks }, (_, track): Omit<Panel, "x">[] => [
    { kind: "gain", width: gain, track },
    { kind: "forward", width: heat, track },
    { kind: "gradient", width: heat, track },
  ]);
  return placed(left, panels.flat());
}

function placed(left: number, panels: Omit<Panel, "x">[]): Panel[] {
  let x = left;
  return panels.map((panel) => {
    const at = { ...panel, x };
    x += panel.width + GAP;
    return at;
  });
}
