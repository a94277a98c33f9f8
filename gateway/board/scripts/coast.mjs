// Writes src/map/coast.json: the land about the markets of the embedded markets file, cut from Natural Earth
// (1:10m, public domain) as world-atlas packs it. Run: node scripts/coast.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { feature } from 'topojson-client';

const regions = [
  [-123.6, 36.6, -121.0, 38.8],
  [-75.2, 39.8, -72.6, 41.8],
];

const atlas = JSON.parse(readFileSync(new URL('../node_modules/world-atlas/land-10m.json', import.meta.url), 'utf8'));
const land = feature(atlas, atlas.objects.land).features[0].geometry.coordinates;

// Sutherland-Hodgman, side by side; good enough for land that a rectangle cuts.
function cutSide(ring, inside, meet) {
  const out = [];
  for (let i = 0; i < ring.length; i++) {
    const a = ring[(i + ring.length - 1) % ring.length];
    const b = ring[i];
    if (inside(a) !== inside(b)) out.push(meet(a, b));
    if (inside(b)) out.push(b);
  }
  return out;
}

function cut(ring, [w, s, e, n]) {
  const at = (axis, limit) => (a, b) => {
    const part = (limit - a[axis]) / (b[axis] - a[axis]);
    return [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part];
  };
  let out = cutSide(ring, (p) => p[0] >= w, at(0, w));
  out = cutSide(out, (p) => p[0] <= e, at(0, e));
  out = cutSide(out, (p) => p[1] >= s, at(1, s));
  return cutSide(out, (p) => p[1] <= n, at(1, n));
}

const round = (p) => p.map((x) => Math.round(x * 1e4) / 1e4);

function polygons(region) {
  const found = [];
  for (const polygon of land) {
    const rings = polygon.map((ring) => cut(ring.slice(0, -1), region)).filter((ring) => ring.length > 2);
    if (rings.length > 0) found.push(rings.map((ring) => [...ring, ring[0]].map(round)));
  }
  return found;
}

const out = { regions, land: { type: 'MultiPolygon', coordinates: regions.flatMap(polygons) } };
writeFileSync(new URL('../src/map/coast.json', import.meta.url), JSON.stringify(out) + '\n');
