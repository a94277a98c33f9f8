// The board's state: who is signed in, what the socket told, and what is selected. The model itself is plain
// data that changes many times a second; what the page draws from it hangs on the counter `beat`, which goes up
// at most four times a second. The map reads the model directly, at its own rate.
import { clockFrom, marketNow, type MarketClock } from '../core/clock';
import { apply, clear, emptyModel, merge, type Model } from '../core/model';
import { byPhase } from '../core/phase';
import { Series } from '../core/series';
import type { BBox, BoardFrame, Market, Order, Refusal, Welcome } from '../core/wire';
import { Api, ApiError, redeem } from '../net/api';
import { forgetToken, saveToken, savedToken, takeTicket } from '../net/credentials';
import { Link } from '../net/link';
import { Promises } from './promises.svelte';

export type Connection =
  | { state: 'signed_out'; why: string }
  | { state: 'connecting' }
  | { state: 'connected' }
  /** dueAt is the wall instant of the next attempt, in ms of performance.now. */
  | { state: 'reconnecting'; dueAt: number };

const drawEveryMs = 250;
const sampleEveryMs = 1000;
const seriesSpanS = 300;
const staffRoles = new Set(['dispatcher', 'admin']);

class Board {
  connection = $state<Connection>({ state: 'connecting' });
  markets = $state.raw<Market[]>([]);
  market = $state.raw<Market | null>(null);
  clock = $state.raw<MarketClock | null>(null);
  selected = $state<string | null>(null);
  notice = $state('');
  beat = $state(0);
  /** Wall instant that the page last took a look at, in ms of performance.now; goes on each second. */
  now = $state(performance.now());
  readonly promises = new Promises();
  readonly series = new Series(seriesSpanS);
  readonly model: Model = emptyModel();

  private api: Api | null = null;
  private link: Link | null = null;
  private due = false;

  /** open signs in by the ticket of the address or the token of this tab, else it asks. */
  async open(): Promise<void> {
    setInterval(() => this.tick(), sampleEveryMs);
    const ticket = takeTicket();
    if (ticket !== null) {
      await this.enter(() => redeem(ticket), 'The staff link is used up or too old. Ask for a new one, or enter a token.');
      return;
    }
    const token = savedToken();
    if (token === null) {
      this.connection = { state: 'signed_out', why: '' };
      return;
    }
    this.signIn(token);
  }

  private async enter(token: () => Promise<string>, otherwise: string): Promise<void> {
    try {
      this.signIn(await token());
    } catch (e) {
      const refused = e instanceof ApiError && e.status !== 0;
      this.connection = { state: 'signed_out', why: refused ? otherwise : (e as Error).message };
    }
  }

  signIn(token: string): void {
    saveToken(token);
    this.notice = '';
    this.connection = { state: 'connecting' };
    this.api = new Api(token);
    this.link?.stop();
    this.link = new Link(token, {
      welcome: (w) => void this.welcome(w),
      frame: (f) => this.frame(f),
      refused: (r) => this.refused(r),
      degraded: (what) => (this.notice = `Degraded: ${what}`),
      cut: (dueAt) => (this.connection = { state: 'reconnecting', dueAt }),
      ended: (why) => this.signOut(why),
    });
    this.link.start();
  }

  signOut(why = ''): void {
    forgetToken();
    this.link?.stop();
    this.link = this.api = null;
    this.selected = null;
    this.market = null;
    clear(this.model);
    this.connection = { state: 'signed_out', why };
  }

  retry(): void {
    this.link?.retry();
  }

  private async welcome(w: Welcome): Promise<void> {
    if (!staffRoles.has(w.role)) {
      this.signOut(`This token is a ${w.role}’s; the board wants a dispatcher’s.`);
      return;
    }
    this.clock = clockFrom(w.server_time, w.time_scale, performance.now());
    this.connection = { state: 'connected' };
    this.notice = '';
    if (this.market === null) {
      await this.loadMarkets();
    }
  }

  private async loadMarkets(): Promise<void> {
    try {
      this.markets = (await this.api?.markets()) ?? [];
      this.market = this.markets.find((m) => m.id === 'sf') ?? this.markets[0] ?? null;
    } catch (e) {
      this.notice = (e as Error).message;
    }
  }

  choose(id: string): void {
    this.selected = null;
    clear(this.model);
    this.redraw();
    this.market = this.markets.find((m) => m.id === id) ?? this.market;
  }

  /** look tells the server what is in view. */
  look(market: string, bbox: BBox, zoom: number): void {
    this.link?.watch({ market, bbox, zoom });
  }

  private frame(f: BoardFrame): void {
    if (f.market !== this.market?.id) {
      return; // of the market that was shown before
    }
    const scale = this.clock?.scale ?? 1;
    if (apply(this.model, f, performance.now(), scale) === 'hole') {
      this.link?.again();
    }
    this.redraw();
  }

  private refused(r: Refusal): void {
    this.notice = r.detail;
  }

  /** Frames that come in a burst are drawn once. */
  private redraw(): void {
    if (this.due) {
      return;
    }
    this.due = true;
    setTimeout(() => {
      this.due = false;
      this.now = performance.now();
      this.beat++;
    }, drawEveryMs);
  }

  private tick(): void {
    this.now = performance.now();
    const c = this.model.counters;
    if (this.connection.state === 'connected' && c) {
      const n = byPhase(c.orders);
      void this.promises.look(this.now);
      this.series.add({ at: Date.now() / 1000, open: n.waiting, matched: n.pickup + n.trip });
    }
  }

  /** marketTime is the market's instant now, in ms since the epoch; null before the first welcome. */
  marketTime(): number | null {
    return this.clock && marketNow(this.clock, this.now);
  }

  /** waitOf is how long an order has waited, in market seconds. */
  waitOf(o: Order): number {
    return ((this.marketTime() ?? 0) - Date.parse(o.requested_at)) / 1000;
  }

  order(id: string | null): Order | null {
    return id === null ? null : (this.model.orders.get(id) ?? null);
  }

  async nearby(lat: number, lng: number) {
    if (!this.api || !this.market) {
      return [];
    }
    return this.api.nearby(this.market.id, lat, lng);
  }

  /** command changes an order and shows the answer at once, before the socket tells it. */
  async command(order: string, verb: 'assign' | 'unassign' | 'cancel', body: object): Promise<void> {
    const answer = await this.api?.command(order, verb, body);
    if (answer) {
      merge(this.model, answer);
      this.redraw();
    }
  }
}

export const board = new Board();
