// The H3 cells in view, as rings. The resolution follows the zoom, so that there are some hundred of them.
import { cellToBoundary, getResolution, latLngToCell, polygonToCells } from 'h3-js';
import type { Model } from '../core/model';
import { phaseOf } from '../core/phase';
import type { BBox } from '../core/wire';

/** A view of more cells than this is not drawn: the grid is a help, not worth a wait. */
const most = 3000;

/** One coarser than the cells that the server counts by at this zoom; each resolution is finer by sqrt(7), which
 * is 1.404 steps of zoom. */
function resolution(zoom: number): number {
  return Math.max(0, Math.min(10, Math.floor((zoom + 0.56) / 1.404) - 1));
}

export function gridRings(bbox: BBox, zoom: number): number[][][] {
  const [w, s, e, n] = bbox;
  const cells = polygonToCells([[[s, w], [s, e], [n, e], [n, w]]], resolution(zoom));
  return cells.length > most ? [] : cells.map(ring);
}

/** ring gives a cell's outline as closed [lng, lat] pairs. */
export function ring(cell: string): number[][] {
  return cellToBoundary(cell, true);
}

/** waitingByCell counts the orders without a driver by the cell of their pickup, at the model's resolution. */
export function waitingByCell(m: Model): Map<string, number> {
  const counts = new Map<string, number>();
  const some = m.cells.keys().next();
  if (some.done) {
    return counts;
  }
  const resolution = getResolution(some.value);
  for (const o of m.orders.values()) {
    if (phaseOf(o) === 'waiting') {
      const cell = latLngToCell(o.stops[0]!.lat, o.stops[0]!.lng, resolution);
      counts.set(cell, (counts.get(cell) ?? 0) + 1);
    }
  }
  return counts;
}
