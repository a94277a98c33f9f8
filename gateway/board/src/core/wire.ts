// The messages of the public protocol that the board reads and writes, by docs/contract.md.

export type DriverState = 'available' | 'reserved' | 'on_trip' | 'stopped' | 'non_contactable' | 'non_operational';

export type OrderState =
  | 'scheduled' | 'searching' | 'offered' | 'no_driver' // closed, until a dispatcher reopens it
  | 'en_route_to_pickup' | 'arrived_at_pickup'
  | 'en_route_to_stop' | 'arrived_at_stop'
  | 'en_route_to_dropoff' | 'arrived_at_dropoff' | 'returning'
  | 'completed' | 'cancelled' | 'returned';

export interface Stop {
  type: 'pickup' | 'stop' | 'dropoff';
  lat: number;
  lng: number;
}

export interface Order {
  id: string;
  market: string;
  kind: 'ride' | 'delivery';
  state: OrderState;
  version: number;
  rider_id: string | null;
  driver_id: string | null;
  vehicle_class: string;
  stops: Stop[];
  next_stop: number;
  requested_at: string;
  pickup_at: string | null;
  pickup_eta: string | null;
  dropoff_eta: string | null;
  cancelled_by: string | null;
  reason: string | null;
}

export interface DriverColumns {
  id: string[];
  lat: number[];
  lng: number[];
  state: DriverState[];
  heading_deg: (number | null)[];
  age_s: number[];
}

export interface CellColumns {
  cell: string[];
  available: number[];
  busy: number[];
  open: number[];
}

export interface BoardFrame {
  type: 'board.snapshot' | 'board.delta';
  market: string;
  seq: number;
  mode: 'drivers' | 'cells';
  drivers: DriverColumns;
  cells: CellColumns;
  removed: string[];
  orders: Order[];
  closed: string[];
  counters: Counters;
}

/** The figures of the whole market, whatever the box, and of the health of the node that leads it. */
export interface Counters {
  drivers: Record<Exclude<DriverState, 'non_operational'>, number>;
  orders: Partial<Record<OrderState, number>>;
  /** What follows counts from here on. */
  since: string;
  created: number;
  completed: number;
  returned: number;
  cancelled: number;
  no_driver: number;
  rounds: number;
  /** Matches of the last 5 market minutes, and their waits. */
  matches: number;
  time_to_match_p50_s: number;
  time_to_match_p95_s: number;
  relay_lag_ms: number;
  published_seq: number;
  sockets: number;
}

/** west, south, east, north, in degrees. */
export type BBox = [number, number, number, number];

export interface Welcome {
  type: 'welcome';
  session: string;
  role: string;
  sub: string;
  heartbeat_s: number;
  server_time: string;
  time_scale: number;
}

export interface Refusal {
  type: 'error';
  id: string | null;
  code: string;
  detail: string;
  field?: string;
  retry_after_ms?: number;
}

/** Market is what the board reads of GET /v1/markets. */
export interface Market {
  id: string;
  name: string;
  timezone: string;
  area: { type: 'Polygon'; coordinates: number[][][] } | { type: 'MultiPolygon'; coordinates: number[][][][] };
  server_time: string;
  time_scale: number;
}

/** Near is one item of GET /v1/drivers/nearby. */
export interface Near {
  id: string;
  state: DriverState;
  vehicle_class?: string;
  orders?: string[];
  distance_m: number;
}
