// What is drawn over the base map, from the model at one instant: cells or drivers, orders with their lines.
import type { Layer } from '@deck.gl/core';
import { IconLayer, LineLayer, PolygonLayer, ScatterplotLayer } from '@deck.gl/layers';
import type { Cell, Driver, Model } from '../core/model';
import { at, type Place } from '../core/motion';
import { phaseOf, type Phase } from '../core/phase';
import type { Order, Stop } from '../core/wire';
import { rgba, type RGBA } from './colors';
import { ring, waitingByCell } from './grid';
import { iconOf, turns, type Icons } from './icons';

export interface Scene {
  model: Model;
  icons: Icons;
  /** The instant to draw, in ms of performance.now. */
  now: number;
  zoom: number;
  selected: string | null;
}

interface Line {
  from: [number, number];
  to: [number, number];
  color: RGBA;
  width: number;
}

interface Dot {
  at: [number, number];
  radius: number;
  fill: RGBA;
  edge: RGBA;
}

interface Mark {
  driver: Driver;
  place: Place;
}

/** Further out only who waits is shown; the ways would hide the city. */
const showWaysFrom = 11.9;
const showDropoffsFrom = 13;

/** The opacity, of 255, of the way to the next stop and of the ways after it. */
const looks: Record<Phase, { color: string; next: number; later: number }> = {
  waiting: { color: 'waiting', next: 0, later: 55 },
  pickup: { color: 'reserved', next: 170, later: 0 },
  trip: { color: 'on-trip', next: 48, later: 30 },
  later: { color: 'non-contactable', next: 0, later: 0 },
};

const place = (s: Stop): [number, number] => [s.lng, s.lat];

export function layers(scene: Scene): Layer[] {
  const { model, zoom } = scene;
  const marks = Array.from(model.drivers.values(), (driver) => ({ driver, place: at(driver.track, scene.now) }));
  const lines: Line[] = [];
  const dots: Dot[] = [];
  const chosen = scene.selected === null ? undefined : model.orders.get(scene.selected);
  for (const order of model.orders.values()) {
    if (order !== chosen && phaseOf(order) !== 'later') {
      addOrder(scene, order, false, lines, dots);
    }
  }
  if (chosen) {
    addOrder(scene, chosen, true, lines, dots);
  }
  return [
    model.mode === 'cells' ? cellLayer(model) : null,
    new LineLayer<Line>({
      id: 'lines', data: lines, widthUnits: 'pixels',
      getSourcePosition: (l) => l.from, getTargetPosition: (l) => l.to, getColor: (l) => l.color, getWidth: (l) => l.width,
    }),
    new ScatterplotLayer<Dot>({
      id: 'stops', data: dots, radiusUnits: 'pixels', lineWidthUnits: 'pixels', stroked: true, getLineWidth: 2,
      getPosition: (d) => d.at, getRadius: (d) => d.radius, getFillColor: (d) => d.fill, getLineColor: (d) => d.edge,
    }),
    model.mode === 'drivers' ? driverLayer(scene, marks, zoom) : null,
  ].filter((l) => l !== null);
}

function driverLayer(scene: Scene, marks: Mark[], zoom: number): Layer {
  const size = Math.max(14, Math.min(28, 14 + (zoom - 11) * 2.6));
  return new IconLayer<Mark>({
    id: 'drivers', data: marks, iconAtlas: scene.icons.atlas as unknown as string, iconMapping: scene.icons.mapping,
    getPosition: (m) => [m.place.lng, m.place.lat],
    getIcon: (m) => iconOf(m.driver.state, m.place.heading),
    getAngle: (m) => (turns(m.driver.state) ? -(m.place.heading ?? 0) : 0),
    getSize: size,
    updateTriggers: { getSize: size },
  });
}

/**
 * A cell where more orders wait than drivers are free is orange, one with free drivers green, one where all are
 * busy blue; the more there is, the stronger. Who waits is counted here: a cell's own figure has all open orders,
 * those under way too.
 */
function cellLayer(model: Model): Layer {
  const waiting = waitingByCell(model);
  const [short, enough, busy] = [rgba('waiting'), rgba('available'), rgba('on-trip')];
  return new PolygonLayer<Cell>({
    id: 'cells', data: Array.from(model.cells.values()),
    getPolygon: (c) => ring(c.cell) as [number, number][],
    getFillColor: (c) => {
      const lack = (waiting.get(c.cell) ?? 0) - c.available;
      const [base, strength] = lack > 0 ? [short, lack / 3] : c.available > 0 ? [enough, -lack / 10] : [busy, c.busy / 20];
      return [base[0], base[1], base[2], 45 + Math.min(1, strength) * 125];
    },
    getLineColor: rgba('halo', 110), getLineWidth: 1, lineWidthUnits: 'pixels',
  });
}

/**
 * An order draws where it is picked up, where it goes, and the way that is still ahead of its driver. Who waits
 * stands out and a trip under way hardly shows: it needs nobody's eye until it is selected.
 */
function addOrder(scene: Scene, o: Order, chosen: boolean, lines: Line[], dots: Dot[]): void {
  const phase = phaseOf(o);
  const look = looks[phase];
  const shade = (alpha: number) => rgba(look.color, chosen ? 255 : alpha);
  const driver = o.driver_id === null ? undefined : scene.model.drivers.get(o.driver_id);
  const far = !chosen && scene.zoom < showWaysFrom;
  if (far && phase !== 'waiting') {
    return;
  }
  const ahead = far ? o.stops.slice(0, 1) : o.stops.slice(o.next_stop);
  if (driver && ahead[0]) {
    const here = at(driver.track, scene.now);
    const from: [number, number] = [here.lng, here.lat];
    lines.push({ from, to: place(ahead[0]), color: shade(look.next), width: chosen ? 3 : 1.25 });
  }
  for (let i = 0; i + 1 < ahead.length; i++) {
    lines.push({ from: place(ahead[i]!), to: place(ahead[i + 1]!), color: shade(look.later), width: chosen ? 2 : 1 });
  }
  for (const stop of ahead) {
    if (stop.type === 'pickup' || chosen || scene.zoom >= showDropoffsFrom) {
      dots.push(dotOf(stop, look.color, phase === 'waiting', chosen));
    }
  }
}

/** A pickup is a full dot, a drop-off a hollow one; who waits without a driver stands out. */
function dotOf(stop: Stop, color: string, waiting: boolean, chosen: boolean): Dot {
  const pickup = stop.type === 'pickup';
  const radius = (pickup ? (waiting ? 6 : 4) : 3) + (chosen ? 3 : 0);
  const full = rgba(color, pickup || chosen ? 255 : 150);
  return { at: place(stop), radius, fill: pickup ? full : rgba('halo'), edge: pickup ? rgba('halo') : full };
}
