// Finds the blocks that repeat: consecutive numbered modules ("blocks.0", "blocks.1") with the same places inside.

import type { LayerData } from "../data/contract.ts";

export interface Node {
  id: string; // equal in two runs of the same model, so that links and comparisons find it again
  start: number;
  end: number; // after the last layer
  children: Item[]; // empty for a layer
}

/** One node, or a sequence of nodes that repeat one another. */
export type Item = Node[];

interface Sibling {
  key: string;
  start: number;
  end: number;
}

/** Returns the layers as a tree of blocks. */
export function treeOf(layers: readonly LayerData[]): Item[] {
  const paths = layers.map((layer) => layer.name.split("."));
  return itemsOf({ layers, paths }, 0, layers.length, 0);
}

interface Names {
  layers: readonly LayerData[];
  paths: string[][];
}

function itemsOf(names: Names, start: number, end: number, depth: number): Item[] {
  const siblings = siblingsOf(names, start, end, depth);
  const signatures = siblings.map((sibling) => signatureOf(names, sibling, depth));
  const items: Item[] = [];
  for (let at = 0; at < siblings.length; ) {
    const { period, times } = repetition(signatures, at);
    if (times >= 2) {
      const blocks = Array.from({ length: times }, (_, time) =>
        siblings.slice(at + time * period, at + (time + 1) * period),
      );
      items.push(blocks.map((block) => blockOf(names, block, depth)));
    } else items.push(...single(names, siblings[at], depth));
    at += Math.max(1, period * times);
  }
  return items;
}

/** Splits a range into runs of layers with the same name at `depth`. */
function siblingsOf({ paths }: Names, start: number, end: number, depth: number): Sibling[] {
  const siblings: Sibling[] = [];
  for (let index = start; index < end; index++) {
    const key = paths[index][depth] ?? "";
    const last = siblings.at(-1);
    if (last && last.key === key) last.end = index + 1;
    else siblings.push({ key, start: index, end: index + 1 });
  }
  return siblings;
}

/** What must be equal in two blocks that repeat; "" for what has no number and so cannot repeat. */
function signatureOf({ layers, paths }: Names, sibling: Sibling, depth: number): string {
  if (!/^\d+$/.test(sibling.key)) return "";
  const inside = [];
  for (let index = sibling.start; index < sibling.end; index++) {
    const rest = paths[index].slice(depth + 1).join(".");
    inside.push(`${layers[index].place || rest}:${layers[index].kind}:${rest}`);
  }
  return inside.join(" ");
}

const LONGEST_PERIOD = 8; // siblings in one block, as convolution, norm, ... in a flat nn.Sequential

/** The period at `at` that covers most siblings, and how often it repeats. */
function repetition(signatures: string[], at: number): { period: number; times: number } {
  let best = { period: 1, times: 1 };
  for (let period = 1; period <= LONGEST_PERIOD && at + 2 * period <= signatures.length; period++) {
    if (signatures[at + period - 1] === "") break;
    let times = 1;
    while (equal(signatures, at, at + times * period, period)) times++;
    if (times >= 2 && times * period > best.times * best.period) best = { period, times };
  }
  return best;
}

function equal(signatures: string[], one: number, other: number, count: number): boolean {
  if (other + count > signatures.length) return false;
  for (let offset = 0; offset < count; offset++)
    if (signatures[one + offset] !== signatures[other + offset]) return false;
  return true;
}

function blockOf(names: Names, block: Sibling[], depth: number): Node {
  const [first, last] = [block[0], block[block.length - 1]];
  if (last.end - first.start === 1) return leaf(names, first.start);
  const prefix = names.paths[first.start].slice(0, depth + 1).join(".");
  const id = block.length === 1 ? prefix : `${prefix}–${last.key}`;
  return {
    id,
    start: first.start,
    end: last.end,
    children: block.flatMap((each) => single(names, each, depth)),
  };
}

function single(names: Names, sibling: Sibling, depth: number): Item[] {
  if (sibling.end - sibling.start === 1) return [[leaf(names, sibling.start)]];
  // Layers of equal names at this depth, as parameters of one module: they differ further down, or not at all.
  const deeper = names.paths[sibling.start].length > depth + 1;
  if (deeper) return itemsOf(names, sibling.start, sibling.end, depth + 1);
  return Array.from({ length: sibling.end - sibling.start }, (_, offset) => [
    leaf(names, sibling.start + offset),
  ]);
}

function leaf({ layers }: Names, index: number): Node {
  return { id: layers[index].name, start: index, end: index + 1, children: [] };
}
