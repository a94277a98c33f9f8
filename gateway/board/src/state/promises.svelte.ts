// The promises that the demo's own fleet has seen broken. It checks as a client does, so its figure is no part
// of the board's frames but a metric of the process that runs it; a server without such a fleet has none.
import { value } from '../core/metrics';
import { metrics } from '../net/api';

const name = 'hexfleet_demo_broken_promises';
const everyMs = 10_000;

export class Promises {
  /** null where nobody counts. */
  broken = $state<number | null>(null);
  private due = 0;

  /** look asks again when it is time; now is ms of performance.now. */
  async look(now: number): Promise<void> {
    if (now < this.due) {
      return;
    }
    this.due = now + everyMs;
    try {
      const text = await metrics();
      this.broken = text === null ? null : value(text, name);
      this.due = this.broken === null ? Infinity : this.due;
    } catch {
      this.broken = null; // the server is away, which the socket tells
    }
  }
}
