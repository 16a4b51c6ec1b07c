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
  layers.forEach((layer, index) => {
    if (!layer.bypassable) open = [];
    else {
      if (layer.readsTrunk || open.length === 0) open.push(opened(index, open, branches));
      const current = open[open.length - 1];
      current.end = index;
      laneOf[index] = current.lane;
      if (layer.endsBranch) open.pop();
    }
  });
  return { laneOf, branches, count: branches.reduce((most, branch) => Math.max(most, branch.lane), 0) };
}

function opened(index: number, open: readonly Branch[], branches: Branch[]): Branch {
  const branch = { start: index, end: index, lane: Math.min(MOST, open.length + 1) };
  branches.push(branch);
  return branch;
}
