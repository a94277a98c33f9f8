import { describe, expect, it } from 'vitest';
import { at, moves, retarget, type Place } from '../src/core/motion';

const fix = (lat: number, lng: number, heading: number | null = null): Place => ({ lat, lng, heading });

describe('retarget and at', () => {
  it('puts a new driver where its fix is', () => {
    const t = retarget(undefined, fix(37.7, -122.4, 90), 100);
    expect(at(t, 100)).toEqual(fix(37.7, -122.4, 90));
    expect(moves(t, 100)).toBe(false);
  });

  it('glides to the next fix in the time that lay between them', () => {
    const first = retarget(undefined, fix(37.7, -122.4, 0), 0);
    const t = retarget(first, fix(37.702, -122.4, 0), 2000);
    expect(at(t, 2000).lat).toBeCloseTo(37.7, 9);
    expect(at(t, 3000).lat).toBeCloseTo(37.701, 9);
    expect(at(t, 4000)).toEqual(fix(37.702, -122.4, 0));
    expect([moves(t, 3999), moves(t, 4000)]).toEqual([true, false]);
  });

  it('goes on from where it is drawn when a fix comes early', () => {
    let t = retarget(undefined, fix(37.7, -122.4, 0), 0);
    t = retarget(t, fix(37.702, -122.4, 0), 2000);
    const here = at(t, 3000);
    t = retarget(t, fix(37.702, -122.398, 90), 3000);
    expect(at(t, 3000)).toMatchObject({ lat: here.lat, lng: here.lng });
  });

  it('keeps gliding when the same fix is told again', () => {
    const t = retarget(retarget(undefined, fix(37.7, -122.4, 0), 0), fix(37.702, -122.4, 0), 2000);
    expect(retarget(t, fix(37.702, -122.4, 0), 3000)).toBe(t);
  });

  it('does not take long over an old fix', () => {
    const t = retarget(retarget(undefined, fix(37.7, -122.4), 0), fix(37.702, -122.4), 600_000);
    expect(moves(t, 605_000)).toBe(false);
  });

  it('jumps over a correction', () => {
    const t = retarget(retarget(undefined, fix(37.7, -122.4), 0), fix(37.8, -122.4), 1000);
    expect(at(t, 1000).lat).toBe(37.8);
  });

  it('turns the shorter way', () => {
    const t = retarget(retarget(undefined, fix(37.7, -122.4, 350), 0), fix(37.7005, -122.4, 10), 2000);
    expect(at(t, 2500).heading).toBeCloseTo(0, 6);
  });

  it('reads the heading from the movement when none is told', () => {
    const start = retarget(undefined, fix(37.7, -122.4), 0);
    expect(start.to.heading).toBeNull();
    expect(retarget(start, fix(37.7, -122.399), 1000).to.heading).toBeCloseTo(90, 1);
    expect(retarget(start, fix(37.699, -122.4), 1000).to.heading).toBeCloseTo(180, 1);
  });

  it('takes no direction from noise', () => {
    const start = retarget(undefined, fix(37.7, -122.4, 45), 0);
    expect(retarget(start, fix(37.700001, -122.4, null), 1000).to.heading).toBe(45);
  });
});
