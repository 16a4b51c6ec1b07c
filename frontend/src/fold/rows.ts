// The rows of the picture: layers, or blocks folded to one row. Up to 60 layers have a row each; above, blocks are
// folded, and sequences of blocks are bundled until everything fits. Blocks with a root-cause layer start unfolded and
// are never part of a bundle.

import type { Item, Node } from "./tree.ts";

export const ALL_SHOWN = 60; // most layers that have a row each
const MOST_ROWS = 40; // at the start, before blocks with a cause are unfolded: about a window's height

export interface Row {
  id: string;
  label: string;
  start: number;
  end: number; // after the last layer
  blocks: number; // blocks in a bundle; 1 for a block, 0 for a layer
  parent: Row | null; // what folding leads back to
  level: number; // how many folds it is inside
  children: Item[];
}

export interface Folding {
  items: Item[];
  layers: number;
  opened: ReadonlySet<string>;
  closed: ReadonlySet<string>;
  causes: readonly number[]; // layers whose blocks start unfolded
}

/** Returns the rows, in the order of the layers. */
export function rowsOf(folding: Folding): Row[] {
  const rows: Row[] = [];
  const everything = folding.layers <= ALL_SHOWN;
  const add = (row: Row) => {
    if (row.children.length > 0 && isOpen(row, folding, everything)) {
      for (const child of rowsIn(row.children, folding, row)) add(child);
    } else rows.push(row);
  };
  for (const row of rowsIn(folding.items, folding, null)) add(row);
  return rows;
}

function isOpen(row: Row, folding: Folding, everything: boolean): boolean {
  if (folding.opened.has(row.id)) return true;
  if (folding.closed.has(row.id)) return false;
  return everything || holds(row, folding.causes);
}

function holds({ start, end }: { start: number; end: number }, layers: readonly number[]): boolean {
  return layers.some((layer) => layer >= start && layer < end);
}

/** The smallest number of blocks to a bundle with which the rows fit. */
export function bundleSize(items: readonly Item[]): number {
  const sizes = [1, 2, 4, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000];
  const rowsWith = (size: number) => items.reduce((sum, item) => sum + Math.ceil(item.length / size), 0);
  return sizes.find((size) => rowsWith(size) <= MOST_ROWS) ?? sizes[sizes.length - 1];
}

function rowsIn(items: readonly Item[], folding: Folding, parent: Row | null): Row[] {
  const size = folding.layers <= ALL_SHOWN ? 1 : bundleSize(items);
  return items.flatMap((item) => partsOf(item, size, folding.causes).map((nodes) => bundleOf(nodes, parent)));
}

/** Splits a sequence into bundles of `size`; a node with a cause is alone. */
function partsOf(item: Item, size: number, causes: readonly number[]): Node[][] {
  const parts: Node[][] = [];
  item.forEach((node, index) => {
    const isAlone = size === 1 || holds(node, causes);
    const last = parts.at(-1);
    if (isAlone || index % size === 0 || !last || holds(last[0], causes)) parts.push([node]);
    else last.push(node);
  });
  return parts;
}

function rowOf(node: Node, parent: Row | null): Row {
  const level = parent === null ? 0 : parent.level + 1;
  const { id, start, end, children } = node;
  return { id, label: id, start, end, blocks: children.length > 0 ? 1 : 0, parent, level, children };
}

function bundleOf(nodes: Node[], parent: Row | null): Row {
  const [first, last] = [nodes[0], nodes[nodes.length - 1]];
  if (nodes.length === 1) return rowOf(first, parent);
  const label = `${first.id} … ${differentEnd(first.id, last.id)}`;
  const children: Item[] = nodes.map((node) => [node]);
  return {
    ...rowOf(first, parent),
    id: `${first.id}…${last.id}`,
    label,
    end: last.end,
    blocks: nodes.length,
    children,
  };
}

/** The part of `last` that differs from `first`, from the name's component on: "9" of "blocks.0" and "blocks.9". */
function differentEnd(first: string, last: string): string {
  const [one, other] = [first.split("."), last.split(".")];
  let same = 0;
  while (same < one.length - 1 && one[same] === other[same]) same++;
  return other.slice(same).join(".");
}

/** Index of the row that shows `layer`; -1 if there is none. */
export function rowWith(rows: readonly Row[], layer: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].end <= layer) low = middle + 1;
    else high = middle;
  }
  return low < rows.length && rows[low].start <= layer ? low : -1;
}

/** The fewest consecutive row ranges [first, last] that show all `layers`, which are ascending. */
export function spansOf(rows: readonly Row[], layers: readonly number[]): [number, number][] {
  const spans: [number, number][] = [];
  for (const layer of layers) {
    const row = rowWith(rows, layer);
    const last = spans.at(-1);
    if (row < 0 || (last && row <= last[1])) continue;
    if (last && row === last[1] + 1) last[1] = row;
    else spans.push([row, row]);
  }
  return spans;
}
