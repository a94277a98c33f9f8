// Frames and orders for the tests, whole as the server sends them.
import type { BoardFrame, Counters, DriverState, Order } from '../src/core/wire';

export const counters: Counters = {
  drivers: { available: 1, reserved: 0, on_trip: 0, stopped: 0, non_contactable: 0 },
  orders: { searching: 1 }, since: '2026-05-30T06:00:00.000Z', created: 1, completed: 0, returned: 0, cancelled: 0,
  no_driver: 0, rounds: 1, matches: 0, time_to_match_p50_s: 0, time_to_match_p95_s: 0, relay_lag_ms: 0,
  published_seq: 1, sockets: 1,
};

export function order(id: string, change: Partial<Order> = {}): Order {
  return {
    id, market: 'sf', kind: 'ride', state: 'searching', version: 1, rider_id: 'r1', driver_id: null,
    vehicle_class: 'standard', next_stop: 0, requested_at: '2026-05-30T06:10:00.000Z', pickup_at: null,
    pickup_eta: null, dropoff_eta: null, cancelled_by: null, reason: null,
    stops: [{ type: 'pickup', lat: 37.78, lng: -122.41 }, { type: 'dropoff', lat: 37.75, lng: -122.42 }],
    ...change,
  };
}

type Fix = [id: string, lat: number, lng: number, state?: DriverState, heading?: number | null, age?: number];

export function frame(type: 'snapshot' | 'delta', seq: number, fixes: Fix[] = [], change: Partial<BoardFrame> = {}): BoardFrame {
  return {
    type: `board.${type}`, market: 'sf', seq, mode: 'drivers',
    drivers: {
      id: fixes.map((f) => f[0]), lat: fixes.map((f) => f[1]), lng: fixes.map((f) => f[2]),
      state: fixes.map((f) => f[3] ?? 'available'), heading_deg: fixes.map((f) => f[4] ?? null), age_s: fixes.map((f) => f[5] ?? 0),
    },
    cells: { cell: [], available: [], busy: [], open: [] },
    removed: [], orders: [], closed: [], counters, ...change,
  };
}
