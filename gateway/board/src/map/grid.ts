// The H3 cells in view, as rings. The resolution follows the zoom, so that there are some hundred of them.
import { cellToBoundary, polygonToCells } from 'h3-js';
import type { BBox } from '../core/wire';

/** A view of more cells than this is not drawn: the grid is a help, not worth a wait. */
const most = 3000;

/** At zoom 12 a cell of resolution 7 (1.2 km from centre to corner) is about 50 px wide; each resolution is
 * 2.6 times as fine, which is 1.4 zooms. */
function resolution(zoom: number): number {
  return Math.max(0, Math.min(10, Math.floor((zoom - 12) / 1.4) + 7));
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
