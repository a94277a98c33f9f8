// The market clock as the board knows it: the server's instant when last told, run on at the market's scale.
// Wall times are ms of performance.now, which no change of the computer's clock disturbs.

export interface MarketClock {
  /** Market instant in ms since the epoch. */
  market: number;
  wall: number;
  scale: number;
}

export function clockFrom(serverTime: string, scale: number, now: number): MarketClock {
  return { market: Date.parse(serverTime), wall: now, scale: scale > 0 ? scale : 1 };
}

export function marketNow(c: MarketClock, now: number): number {
  return c.market + (now - c.wall) * c.scale;
}
