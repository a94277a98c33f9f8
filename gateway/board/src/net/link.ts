// The socket: it signs in, comes back by itself when it is cut, and gives up only when the server says that the
// token is no good. It keeps no board; what it hears it tells.
import { wait } from '../core/backoff';
import type { BBox, BoardFrame, Refusal, Welcome } from '../core/wire';
import { newKey } from './api';

export interface View {
  market: string;
  bbox: BBox;
  zoom: number;
}

export interface Listener {
  welcome(w: Welcome): void;
  frame(f: BoardFrame): void;
  /** The server refused the watch, or something else that it was asked. */
  refused(r: Refusal): void;
  degraded(what: string): void;
  /** The socket is cut; the next attempt is due at the wall instant dueAt, in ms of performance.now. */
  cut(dueAt: number): void;
  /** The server will not have this token; nothing more is tried. */
  ended(why: string): void;
}

/** From 4500 on a close code says: do not come back (docs/contract.md). */
const firstFinalCode = 4500;

export class Link {
  private socket: WebSocket | null = null;
  /** Made with the page: when a server has gone it can give no worker's script any more. */
  private readonly prober = new Worker(new URL('./probe.worker.ts', import.meta.url), { type: 'module' });
  /** The next attempt is awaited. */
  private waiting = false;
  private probe: ReturnType<typeof setInterval> | undefined;
  private failures = 0;
  private view: View | null = null;
  private welcomed = false;
  private closed = false;
  private heardAt = 0;
  private lastRefusal = '';

  constructor(
    private readonly token: string,
    private readonly on: Listener,
  ) {
    this.prober.onmessage = (e: MessageEvent<boolean>) => {
      if (this.waiting) {
        e.data ? this.start() : this.ask();
      }
    };
  }

  start(): void {
    this.forget();
    const address = new URL('/v1/ws', location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address, 'hexfleet.v1.json');
    this.socket = socket;
    this.welcomed = false;
    socket.onopen = () => this.send({ type: 'auth', token: this.token });
    socket.onmessage = (e) => this.hear(String(e.data));
    socket.onclose = (e) => this.lost(e.code);
  }

  /** stop ends the link for good. */
  stop(): void {
    this.closed = true;
    this.forget();
    this.prober.terminate();
    this.socket?.close();
  }

  /** retry does not wait for the next attempt. */
  retry(): void {
    if (this.waiting) {
      this.start();
    }
  }

  /** watch asks for what is in view, now and after each reconnect. */
  watch(view: View): void {
    this.view = view;
    if (this.welcomed) {
      this.send({ type: 'board.watch', id: newKey(), market: view.market, bbox: view.bbox, zoom: view.zoom });
    }
  }

  /** again watches anew, after a hole. */
  again(): void {
    if (this.view) {
      this.watch(this.view);
    }
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }

  private hear(text: string): void {
    this.heardAt = performance.now();
    const message = JSON.parse(text) as { type: string };
    switch (message.type) {
      case 'welcome':
        this.greet(message as Welcome);
        return;
      case 'board.snapshot':
      case 'board.delta':
        this.on.frame(message as BoardFrame);
        return;
      case 'error':
        this.lastRefusal = (message as Refusal).detail;
        if (this.welcomed) {
          this.on.refused(message as Refusal);
        }
        return;
      case 'degraded':
        this.on.degraded(String((message as { detail?: unknown }).detail ?? 'the server sheds load'));
    }
  }

  private greet(w: Welcome): void {
    this.failures = 0;
    this.welcomed = true;
    this.on.welcome(w);
    this.again();
    this.watchSilence(w.heartbeat_s * 1000);
  }

  /**
   * A page sees no pings, so a dead network looks like a quiet market. After two heartbeats of silence it asks
   * for the board again, which a live server answers at once; after one more it gives the socket up.
   */
  private watchSilence(heartbeat: number): void {
    clearInterval(this.probe);
    let asked = false;
    this.probe = setInterval(() => {
      const silent = performance.now() - this.heardAt;
      if (silent < 2 * heartbeat) {
        asked = false;
      } else if (!asked) {
        asked = true;
        this.again();
      } else if (silent > 3 * heartbeat) {
        this.socket?.close();
        this.lost(1006); // the close of a dead network may not be told for minutes
      }
    }, heartbeat / 2);
  }

  private lost(code: number): void {
    if (this.closed || this.waiting) {
      return;
    }
    this.forget();
    this.drop();
    if (code >= firstFinalCode) {
      this.closed = true;
      this.prober.terminate();
      this.on.ended(this.lastRefusal || 'the server ended the session');
      return;
    }
    this.waiting = true;
    this.ask();
  }

  /** ask has the worker wait and look whether the server is ready. */
  private ask(): void {
    const ms = wait(this.failures++, Math.random());
    this.prober.postMessage(ms);
    this.on.cut(performance.now() + ms);
  }

  private drop(): void {
    this.welcomed = false;
    if (this.socket) {
      this.socket.onclose = this.socket.onmessage = this.socket.onopen = null;
      this.socket = null;
    }
  }

  private forget(): void {
    this.waiting = false;
    clearInterval(this.probe);
  }
}
