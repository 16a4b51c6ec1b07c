// The structure of the network as a commit graph: the trunk is lane 0, residual branches are in lanes beside it.

import type { LayerData } from "../data/contract.ts";

export interface Branch {
  start: number; // first layer
  end: number; // last layer
  lane: number;
}

export interface Lanes {
  laneOf: Uint8Array; // by layer
  branches: Branch[];
  count: number; // lanes beside the trunk
}

const MOST = 3; // lanes beside the trunk; further branches share the last

export function lanesOf(layers: readonly LayerData[]): Lanes {
  const laneOf = new Uint8Array(layers.length);
  const branches: Branch[] = [];
  let open: Branch[] = [];
  let ended: Branch | null = null;
  layers.forEach((layer, index) => {
    if (!layer.bypassable) {
      open = [];
      ended = null;
      return;
    }
    if (layer.readsTrunk) {
      // A branch may have no known end. Only one that has just begun, too, is parallel to this one.
      if (open.at(-1)?.start !== index - 1) open = [];
      open.push(opened(index, open, branches));
    } else if (open.length === 0) {
      // A norm after the last weight of a branch still belongs to it.
      open.push(
        ended !== null && ended.end === index - 1 && layer.kind === "norm"
          ? ended
          : opened(index, open, branches),
      );
    }
    const current = open[open.length - 1];
    current.end = index;
    laneOf[index] = current.lane;
    if (layer.endsBranch || current === ended) ended = open.pop() ?? null;
  });
  return { laneOf, branches, count: branches.reduce((most, branch) => Math.max(most, branch.lane), 0) };
}

function opened(index: number, open: readonly Branch[], branches: Branch[]): Branch {
  const branch = { start: index, end: index, lane: Math.min(MOST, open.length + 1) };
  branches.push(branch);
  return branch;
}
