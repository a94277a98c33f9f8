// What lies under the pointer. The places are compared on the processor: reading the picture back from the GPU
// stalls it, and there are some thousand places at most.

export interface Spot {
  /** The order that a press selects. */
  order: string;
  lng: number;
  lat: number;
}

const reach = 14;

/** hit gives the order nearest to a point on the screen, null when none is within reach. */
export function hit(spots: Spot[], x: number, y: number, project: (s: Spot) => { x: number; y: number }): string | null {
  let best: string | null = null;
  let least = reach;
  for (const s of spots) {
    const p = project(s);
    const d = Math.hypot(p.x - x, p.y - y);
    if (d < least) {
      least = d;
      best = s.order;
    }
  }
  return best;
}
