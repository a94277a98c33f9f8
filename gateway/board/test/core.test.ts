import { describe, expect, it } from 'vitest';
import { wait } from '../src/core/backoff';
import { clockFrom, marketNow } from '../src/core/clock';
import { boundsOf, middle } from '../src/core/extent';
import { distance, duration, shortID } from '../src/core/format';
import { hit } from '../src/core/hit';
import { value } from '../src/core/metrics';
import { byPhase, mayUnassign, phaseOf } from '../src/core/phase';
import { Series } from '../src/core/series';
import { order } from './samples';

describe('backoff', () => {
  it('doubles up to a bound, and spreads', () => {
    expect([0, 1, 2].map((n) => wait(n, 1))).toEqual([500, 1000, 2000]);
    expect(wait(0, 0)).toBe(250);
    expect(wait(1000, 0.999)).toBeLessThanOrEqual(8000);
  });
});

describe('market clock', () => {
  it('runs on at its scale', () => {
    const c = clockFrom('2026-05-30T06:00:00.000Z', 4, 1000);
    expect(new Date(marketNow(c, 3500)).toISOString()).toBe('2026-05-30T06:00:10.000Z');
  });
});

describe('extent', () => {
  it('leaves the outliers out', () => {
    const places = Array.from({ length: 20 }, (_, i): [number, number] => [-122.4 + i * 0.001, 37.7]);
    expect(middle([...places, [0, 0]])![2]).toBeLessThan(-122);
    expect(middle([])).toBeNull();
  });

  it('gives the box of any area', () => {
    expect(boundsOf({ coordinates: [[[[1, 2], [3, 4], [1, 2]]], [[[-5, 0], [0, 9], [-5, 0]]]] })).toEqual([-5, 0, 3, 9]);
  });
});

describe('format', () => {
  it('writes what people read', () => {
    expect([duration(-3), duration(42.4), duration(185), duration(7500)]).toEqual(['0 s', '42 s', '3:05', '2 h 05']);
    expect([distance(234), distance(1234)]).toEqual(['230 m', '1.2 km']);
    expect([shortID('driver-1'), shortID('0192aaaa-bbbb-7ccc-8ddd-eeeeeeabcdef')]).toEqual(['driver-1', '…abcdef']);
  });
});

describe('hit', () => {
  it('takes the nearest within reach', () => {
    const spots = [{ order: 'a', lng: 0, lat: 0 }, { order: 'b', lng: 10, lat: 0 }];
    const project = (s: { lng: number; lat: number }) => ({ x: s.lng, y: s.lat });
    expect(hit(spots, 8, 1, project)).toBe('b');
    expect(hit(spots, 80, 1, project)).toBeNull();
  });
});

describe('metrics', () => {
  it('reads one figure of many', () => {
    const text = '# HELP broken x\nbroken_other 9\nbroken 3\nbroken{a="b"} 4\n';
    expect([value(text, 'broken'), value(text, 'absent')]).toEqual([3, null]);
  });
});

describe('phase', () => {
  it('sorts states as staff do', () => {
    expect(byPhase({ searching: 1, offered: 2, arrived_at_pickup: 4, en_route_to_dropoff: 8, returning: 16, scheduled: 32 }))
      .toEqual({ waiting: 3, pickup: 4, trip: 24, later: 32 });
    expect(phaseOf(order('o1', { state: 'arrived_at_stop' }))).toBe('trip');
  });

  it('allows unassign before the pickup only', () => {
    expect(mayUnassign(order('o1', { state: 'arrived_at_pickup' }))).toBe(true);
    expect(mayUnassign(order('o1', { state: 'en_route_to_dropoff' }))).toBe(false);
  });
});

describe('series', () => {
  it('keeps its span', () => {
    const s = new Series(10);
    for (let at = 0; at <= 30; at += 5) s.add({ at, open: at, matched: 1 });
    expect(s.columns()[0]).toEqual([20, 25, 30]);
  });
});
