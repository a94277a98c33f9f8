// When to try the server again: the wait doubles, and is drawn from its upper half so that a room full of boards
// does not come back in the same instant.

const first = 500;
const longest = 8000;

/** wait gives ms before the attempt that follows failures failed ones; random is in [0, 1). */
export function wait(failures: number, random: number): number {
  const full = Math.min(longest, first * 2 ** Math.min(failures, 10));
  return full / 2 + (full / 2) * random;
}
