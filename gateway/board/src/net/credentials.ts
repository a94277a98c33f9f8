// The token of this tab. It is kept in sessionStorage, so that a reload goes on and another tab asks again, and
// never in the address.

const key = 'hexfleet.token';

export function savedToken(): string | null {
  return sessionStorage.getItem(key);
}

export function saveToken(token: string): void {
  sessionStorage.setItem(key, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(key);
}

/** takeTicket gives the one-time ticket of a staff link and removes it from the address and the history. */
export function takeTicket(): string | null {
  const ticket = new URLSearchParams(location.hash.slice(1)).get('ticket');
  if (ticket !== null) {
    history.replaceState(null, '', location.pathname + location.search);
  }
  return ticket;
}
