// The page's colours as the map wants them. They are read from the style sheet, so that there is one palette.

export type RGBA = [number, number, number, number];

/** css gives a colour of the page's theme as written, such as #00875f. */
export function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function rgba(name: string, alpha = 255): RGBA {
  const hex = css(name).slice(1);
  // The build writes #ffffff as #fff.
  const full = hex.length === 3 ? hex.replace(/./g, '$&$&') : hex;
  const part = (i: number) => parseInt(full.slice(2 * i, 2 * i + 2), 16);
  return [part(0), part(1), part(2), alpha];
}
