// The states of an order as staff tell them apart at a glance.
import type { Order, OrderState } from './wire';

export type Phase = 'waiting' | 'pickup' | 'trip' | 'later';

const phases: Partial<Record<OrderState, Phase>> = {
  searching: 'waiting', offered: 'waiting',
  en_route_to_pickup: 'pickup', arrived_at_pickup: 'pickup',
  scheduled: 'later',
};

export function phaseOf(o: Order): Phase {
  return phases[o.state] ?? 'trip';
}

export const phaseNames: Record<Phase, string> = {
  waiting: 'Waiting', pickup: 'To pickup', trip: 'On trip', later: 'Scheduled',
};

/** Only an order on its way to the pickup can be given back to the search; later it is handed to another driver. */
export function mayUnassign(o: Order): boolean {
  return phaseOf(o) === 'pickup';
}

/** How many open orders are in each phase, from the counts by state. */
export function byPhase(states: Partial<Record<OrderState, number>>): Record<Phase, number> {
  const counts: Record<Phase, number> = { waiting: 0, pickup: 0, trip: 0, later: 0 };
  for (const [state, n] of Object.entries(states) as [OrderState, number][]) {
    counts[phases[state] ?? 'trip'] += n;
  }
  return counts;
}
