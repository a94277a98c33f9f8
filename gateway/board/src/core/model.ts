// What a watch has told so far: a snapshot starts it anew, a delta changes it, and a delta that does not follow
// the last frame is a hole, after which nothing may be believed until the next snapshot.
import { retarget, type Track } from './motion';
import type { BoardFrame, Counters, DriverState, Order } from './wire';

export interface Driver {
  id: string;
  state: DriverState;
  /** Where the last frame put it; track tells where it is drawn. */
  lat: number;
  lng: number;
  heading: number | null;
  /** Wall instant, in ms of performance.now, of its last fix. */
  fixedAt: number;
  track: Track;
}

export interface Cell {
  cell: string;
  available: number;
  busy: number;
  open: number;
}

/** Model is owned by Board; only apply and merge write it. */
export interface Model {
  /** null until the first snapshot, and after a hole. */
  seq: number | null;
  mode: 'drivers' | 'cells';
  drivers: Map<string, Driver>;
  cells: Map<string, Cell>;
  orders: Map<string, Order>;
  counters: Counters | null;
}

export function emptyModel(): Model {
  return { seq: null, mode: 'drivers', drivers: new Map(), cells: new Map(), orders: new Map(), counters: null };
}

/** clear forgets what was told, for another market or another reader. */
export function clear(m: Model): void {
  Object.assign(m, emptyModel());
}

/** Applied tells what became of a frame: a hole asks for a new watch, an ignored frame is of a watch given up. */
export type Applied = 'applied' | 'hole' | 'ignored';

/** apply takes one frame; now is performance.now, scale the market's seconds per wall second. */
export function apply(m: Model, frame: BoardFrame, now: number, scale: number): Applied {
  if (frame.type === 'board.snapshot') {
    return applySnapshot(m, frame, now, scale);
  }
  if (m.seq === null) {
    return 'ignored';
  }
  if (frame.seq !== m.seq + 1) {
    m.seq = null;
    return 'hole';
  }
  m.seq = frame.seq;
  m.mode = frame.mode;
  for (const id of frame.removed) {
    m.drivers.delete(id);
    m.cells.delete(id);
  }
  for (const id of frame.closed) {
    m.orders.delete(id);
  }
  take(m, frame, now, scale);
  return 'applied';
}

/** A snapshot replaces everything, but drivers that stay keep their track, so that a new watch makes none jump. */
function applySnapshot(m: Model, frame: BoardFrame, now: number, scale: number): Applied {
  const before = m.drivers;
  m.seq = frame.seq;
  m.mode = frame.mode;
  m.drivers = new Map();
  m.cells = new Map();
  m.orders = new Map();
  for (const id of frame.drivers.id) {
    const known = before.get(id);
    if (known) {
      m.drivers.set(id, known);
    }
  }
  take(m, frame, now, scale);
  return 'applied';
}

function take(m: Model, frame: BoardFrame, now: number, scale: number): void {
  const d = frame.drivers;
  for (let i = 0; i < d.id.length; i++) {
    putDriver(m, now, {
      id: d.id[i]!, lat: d.lat[i]!, lng: d.lng[i]!, state: d.state[i]!,
      heading: d.heading_deg[i] ?? null, fixedAt: now - (d.age_s[i]! * 1000) / scale,
    });
  }
  const c = frame.cells;
  for (let i = 0; i < c.cell.length; i++) {
    m.cells.set(c.cell[i]!, { cell: c.cell[i]!, available: c.available[i]!, busy: c.busy[i]!, open: c.open[i]! });
  }
  for (const order of frame.orders) {
    merge(m, order);
  }
  m.counters = frame.counters;
}

function putDriver(m: Model, now: number, fix: Omit<Driver, 'track'>): void {
  const known = m.drivers.get(fix.id);
  const track = retarget(known?.track, { lat: fix.lat, lng: fix.lng, heading: fix.heading }, now);
  m.drivers.set(fix.id, { ...fix, track });
}

const closedStates = new Set(['completed', 'cancelled', 'returned', 'no_driver']);

/** merge takes an order from a frame or from the answer to a command; the newer version stands. */
export function merge(m: Model, order: Order): void {
  const known = m.orders.get(order.id);
  if (known && known.version > order.version) {
    return;
  }
  if (closedStates.has(order.state)) {
    m.orders.delete(order.id);
    return;
  }
  m.orders.set(order.id, order);
}
