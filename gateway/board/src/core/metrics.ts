// The text that /metrics tells (Prometheus exposition format), as far as the board reads it.

/** value gives the figure of a metric without labels, null when it is not told. */
export function value(text: string, name: string): number | null {
  const line = text.split('\n').find((l) => l.startsWith(name + ' '));
  return line === undefined ? null : Number(line.split(' ')[1]);
}
