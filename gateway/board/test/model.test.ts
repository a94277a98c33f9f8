import { describe, expect, it } from 'vitest';
import { apply, clear, emptyModel, merge } from '../src/core/model';
import { at } from '../src/core/motion';
import { counters, frame, order } from './samples';

describe('apply', () => {
  it('starts with a snapshot and goes on with deltas', () => {
    const m = emptyModel();
    expect(apply(m, frame('snapshot', 1, [['d1', 37.7, -122.4], ['d2', 37.8, -122.5]], { orders: [order('o1')] }), 0, 1)).toBe('applied');
    expect([...m.drivers.keys()]).toEqual(['d1', 'd2']);
    const told = { ...counters, completed: 7 };
    const delta = frame('delta', 2, [['d1', 37.701, -122.4, 'on_trip']], { removed: ['d2'], closed: ['o1'], orders: [order('o2')], counters: told });
    expect(apply(m, delta, 1000, 1)).toBe('applied');
    expect([...m.drivers.keys()]).toEqual(['d1']);
    expect(m.drivers.get('d1')).toMatchObject({ lat: 37.701, state: 'on_trip' });
    expect([...m.orders.keys()]).toEqual(['o2']);
    expect(m.counters?.completed).toBe(7);
  });

  it('finds a hole once and believes nothing until the next snapshot', () => {
    const m = emptyModel();
    apply(m, frame('snapshot', 1, [['d1', 37.7, -122.4]]), 0, 1);
    expect(apply(m, frame('delta', 3, [['d1', 37.9, -122.4]]), 1, 1)).toBe('hole');
    expect(m.drivers.get('d1')?.lat).toBe(37.7);
    expect(apply(m, frame('delta', 4), 2, 1)).toBe('ignored');
    expect(apply(m, frame('snapshot', 1, [['d3', 37.7, -122.4]]), 3, 1)).toBe('applied');
    expect([...m.drivers.keys()]).toEqual(['d3']);
    expect(apply(m, frame('delta', 2), 4, 1)).toBe('applied');
  });

  it('ignores a delta before any snapshot', () => {
    expect(apply(emptyModel(), frame('delta', 1), 0, 1)).toBe('ignored');
  });

  it('lets drivers that stay glide over a new watch', () => {
    const m = emptyModel();
    apply(m, frame('snapshot', 1, [['d1', 37.7, -122.4]]), 0, 1);
    apply(m, frame('snapshot', 1, [['d1', 37.702, -122.4]]), 1000, 1);
    expect(at(m.drivers.get('d1')!.track, 1000).lat).toBe(37.7);
  });

  it('takes cells and removes them', () => {
    const m = emptyModel();
    const cells = { cell: ['a', 'b'], available: [1, 0], busy: [2, 3], open: [0, 4] };
    apply(m, frame('snapshot', 1, [], { mode: 'cells', cells }), 0, 1);
    apply(m, frame('delta', 2, [], { mode: 'cells', removed: ['a'] }), 1, 1);
    expect([...m.cells.values()]).toEqual([{ cell: 'b', available: 0, busy: 3, open: 4 }]);
  });

  it('counts the age of a fix in market time', () => {
    const m = emptyModel();
    apply(m, frame('snapshot', 1, [['d1', 37.7, -122.4, 'available', null, 20]]), 10_000, 4);
    expect(m.drivers.get('d1')?.fixedAt).toBe(5_000);
  });
});

describe('merge', () => {
  it('keeps the newer version, whichever came first', () => {
    const m = emptyModel();
    merge(m, order('o1', { version: 3, state: 'en_route_to_pickup' }));
    merge(m, order('o1', { version: 2, state: 'offered' }));
    expect(m.orders.get('o1')?.state).toBe('en_route_to_pickup');
  });

  it('drops an order that closed', () => {
    const m = emptyModel();
    for (const state of ['completed', 'cancelled', 'returned', 'no_driver'] as const) {
      merge(m, order('o1', { version: 1 }));
      merge(m, order('o1', { version: 2, state }));
      expect(m.orders.size).toBe(0);
    }
  });
});

describe('clear', () => {
  it('forgets everything', () => {
    const m = emptyModel();
    apply(m, frame('snapshot', 1, [['d1', 37.7, -122.4]], { orders: [order('o1')] }), 0, 1);
    clear(m);
    expect(m).toEqual(emptyModel());
  });
});
