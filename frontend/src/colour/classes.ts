// Classes of a value by its distance, in octaves, from what is expected: 0 is healthy, negative too small, positive
// too large. Few classes with a flat centre show where something is wrong; a smooth scale would color healthy layers.

export const EDGES = [1, 2, 4, 8]; // octaves: x2, x4, x16, x256
export const NON_FINITE = 9;
export const MISSING = -9;
const MARGIN = 0.15; // octaves beyond an edge before a value changes its class: noise at an edge would flicker

/** Returns the class of `off`, given the class of the step before. `wider` moves the edge of the healthy class out. */
export function classOf(off: number, previous = MISSING, wider = 0): number {
  if (Number.isNaN(off)) return MISSING;
  if (off === Number.POSITIVE_INFINITY) return NON_FINITE;
  if (off === Number.NEGATIVE_INFINITY) return -EDGES.length;
  const sign = off < 0 ? -1 : 1;
  const known = Math.abs(previous) <= EDGES.length;
  const before = known ? previous * sign : 0;
  const size = Math.abs(off);
  let level = 0;
  while (level < EDGES.length) {
    const margin = !known ? 0 : before > level ? -MARGIN : MARGIN;
    if (size <= EDGES[level] + margin + (level === 0 ? wider : 0)) break;
    level++;
  }
  return level === 0 ? 0 : level * sign;
}

/** Returns how bad a class is; larger is worse. Not measured is the least: anything measured is shown before it. */
export function badness(code: number): number {
  return code === MISSING ? -1 : Math.abs(code);
}

/** Returns how bad a distance is; larger is worse. */
export function badnessOff(off: number): number {
  if (Number.isNaN(off)) return -1;
  if (off === Number.POSITIVE_INFINITY) return Number.MAX_VALUE;
  return Math.min(Math.abs(off), 1e300);
}

/**
 * Returns by how many octaves the healthy class is wider for the worst of `layers` healthy layers: the largest of
 * many random numbers is larger than one of them.
 */
export function widening(layers: number): number {
  return 0.15 * Math.log2(Math.max(1, layers));
}
