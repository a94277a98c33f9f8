// The REST calls of the board. A refusal is thrown as ApiError, with the sentence that the server gives for it.
import type { Market, Near, Order } from '../core/wire';

export class ApiError extends Error {
  constructor(
    readonly code: string,
    detail: string,
    readonly status: number,
  ) {
    super(detail);
  }
}

/** newKey makes a message id or idempotency key; crypto.randomUUID is missing on plain http from elsewhere. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

async function call<T>(token: string | null, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {};
  if (token !== null) {
    headers['Authorization'] = `Bearer ${token}`;
  }
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
  }
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  } catch {
    throw new ApiError('unreachable', 'The server does not answer. Is it running?', 0);
  }
  if (!answer.ok) {
    throw await refusal(answer);
  }
  return (await answer.json()) as T;
}

async function refusal(answer: Response): Promise<ApiError> {
  try {
    const problem = (await answer.json()) as { code?: string; detail?: string; title?: string };
    return new ApiError(problem.code ?? 'internal', problem.detail ?? problem.title ?? answer.statusText, answer.status);
  } catch {
    return new ApiError('internal', `The server answered ${answer.status}.`, answer.status);
  }
}

export async function redeem(ticket: string): Promise<string> {
  return (await call<{ token: string }>(null, 'POST', '/v1/tickets/redeem', { ticket })).token;
}

/** Api speaks for one token. */
export class Api {
  constructor(private readonly token: string) {}

  async markets(): Promise<Market[]> {
    return (await call<{ items: Market[] }>(this.token, 'GET', '/v1/markets?limit=500')).items;
  }

  async nearby(market: string, lat: number, lng: number): Promise<Near[]> {
    const query = new URLSearchParams({ market, lat: lat.toFixed(6), lng: lng.toFixed(6), limit: '12' });
    return (await call<{ items: Near[] }>(this.token, 'GET', `/v1/drivers/nearby?${query}`)).items;
  }

  command(order: string, verb: 'assign' | 'unassign' | 'cancel', body: object): Promise<Order> {
    return call<Order>(this.token, 'POST', `/v1/orders/${encodeURIComponent(order)}/${verb}`, body);
  }
}

/** metrics gives /metrics; null when the operator keeps it on another listener. */
export async function metrics(): Promise<string | null> {
  const answer = await fetch('/metrics');
  return answer.ok ? answer.text() : null;
}
