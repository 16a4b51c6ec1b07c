// What the user has chosen to see. All of it is in the address, so that a link shows the same.

import type { Severity } from "../data/contract.ts";

export interface View {
  run: string | null; // null: the first
  compare: string[]; // further runs
  isDifference: boolean; // instead of side by side
  step: number | null; // null: where the first error is, or the first
  layer: string | null; // its details are open
  cause: string | null; // key of the marked finding
  opened: string[]; // rows unfolded, and folded, against what the page does by itself
  closed: string[];
  severities: Severity[];
  query: string;
  isTable: boolean;
}

export const SEVERITIES: Severity[] = ["error", "warning", "info"];

export const START: View = {
  run: null,
  compare: [],
  isDifference: false,
  step: null,
  layer: null,
  cause: null,
  opened: [],
  closed: [],
  severities: SEVERITIES,
  query: "",
  isTable: false,
};

/** Returns `view` with a row unfolded, or folded. */
export function folded(view: View, id: string, isOpen: boolean): View {
  const without = (ids: string[]) => ids.filter((each) => each !== id);
  const opened = isOpen ? [...without(view.opened), id] : without(view.opened);
  const closed = isOpen ? without(view.closed) : [...without(view.closed), id];
  return { ...view, opened, closed };
}
