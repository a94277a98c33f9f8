// Where to look first: where most of the drivers and orders are, not the whole market.
import type { BBox } from './wire';

/**
 * middle gives a box with room about most of the places; null without places. A tenth of them is left out at
 * each end both ways, such as an airport's far from the city.
 */
export function middle(places: [lng: number, lat: number][]): BBox | null {
  if (places.length === 0) {
    return null;
  }
  const span = (values: number[]): [number, number] => {
    values.sort((a, b) => a - b);
    const at = (part: number) => values[Math.round(part * (values.length - 1))]!;
    const [low, high] = [at(0.1), at(0.9)];
    const room = (high - low) * 0.3;
    return [low - room, high + room];
  };
  const [w, e] = span(places.map((p) => p[0]));
  const [s, n] = span(places.map((p) => p[1]));
  return [w, s, e, n];
}

/** boundsOf gives the box of a market's area. */
export function boundsOf(area: { coordinates: unknown }): BBox {
  const box: BBox = [180, 90, -180, -90];
  const walk = (c: unknown): void => {
    if (!Array.isArray(c)) {
      return;
    }
    if (typeof c[0] === 'number') {
      const [lng, lat] = c as [number, number];
      box[0] = Math.min(box[0], lng);
      box[1] = Math.min(box[1], lat);
      box[2] = Math.max(box[2], lng);
      box[3] = Math.max(box[3], lat);
      return;
    }
    c.forEach(walk);
  };
  walk(area.coordinates);
  return box;
}
