// Figures as people read them.

/** duration writes s seconds as 42 s, 3:05 or 2 h 05. */
export function duration(s: number): string {
  const whole = Math.max(0, Math.round(s));
  if (whole < 60) {
    return `${whole} s`;
  }
  const pad = (n: number) => String(n).padStart(2, '0');
  if (whole < 3600) {
    return `${Math.floor(whole / 60)}:${pad(whole % 60)}`;
  }
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))}`;
}

export function distance(m: number): string {
  return m < 1000 ? `${Math.round(m / 10) * 10} m` : `${(m / 1000).toFixed(1)} km`;
}

/** words turns a state's name into what is read. */
export function words(state: string): string {
  return state.replaceAll('_', ' ');
}

/** shortID keeps the end of an id: the start of a UUIDv7 is its time, the same for all orders of a minute. */
export function shortID(id: string): string {
  return id.length > 12 ? '…' + id.slice(-6) : id;
}
