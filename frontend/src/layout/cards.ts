// Cards are beside the rows that they explain. Where two would overlap, the later one is pushed down; where the last
// then ends below the picture, those above move up as far as there is room.

export interface CardRequest {
  want: number; // where its top should be
  height: number;
}

/** Returns the top of each card. The requests are in the order in which the cards appear. */
export function placeCards(requests: readonly CardRequest[], gap: number, bottom: number): number[] {
  const tops: number[] = [];
  let free = 0;
  for (const { want, height } of requests) {
    const top = Math.max(free, want);
    tops.push(top);
    free = top + height + gap;
  }
  let limit = Math.max(bottom, sum(requests, gap));
  for (let index = requests.length - 1; index >= 0; index--) {
    tops[index] = Math.max(0, Math.min(tops[index], limit - requests[index].height));
    limit = tops[index] - gap;
  }
  return tops;
}

function sum(requests: readonly CardRequest[], gap: number): number {
  return requests.reduce((total, { height }) => total + height + gap, -gap);
}
