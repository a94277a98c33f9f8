// Names to find one's way by, for the markets of the embedded markets file. They are drawn as HTML: the map has
// no glyphs, which would have to be fetched.

export interface PlaceName {
  name: string;
  lat: number;
  lng: number;
  /** The zoom from which it is shown; a city is shown until its quarters are. */
  from: number;
  until?: number;
}

export const places: PlaceName[] = [
  { name: 'San Francisco', lat: 37.762, lng: -122.44, from: 8, until: 12 },
  { name: 'Oakland', lat: 37.805, lng: -122.25, from: 9.5 },
  { name: 'Berkeley', lat: 37.872, lng: -122.27, from: 10 },
  { name: 'Daly City', lat: 37.688, lng: -122.47, from: 10 },
  { name: 'Sausalito', lat: 37.859, lng: -122.49, from: 10.5 },
  { name: 'SFO', lat: 37.618, lng: -122.388, from: 9.5 },
  { name: 'San Mateo', lat: 37.555, lng: -122.315, from: 10 },
  { name: 'San Jose', lat: 37.336, lng: -121.89, from: 8 },
  { name: 'Financial District', lat: 37.7945, lng: -122.4, from: 12 },
  { name: 'Mission', lat: 37.7585, lng: -122.415, from: 12 },
  { name: 'Sunset', lat: 37.752, lng: -122.492, from: 12 },
  { name: 'Richmond', lat: 37.78, lng: -122.483, from: 12 },
  { name: 'Marina', lat: 37.802, lng: -122.437, from: 12 },
  { name: 'Castro', lat: 37.7605, lng: -122.437, from: 12.5 },
  { name: 'Bayview', lat: 37.733, lng: -122.391, from: 12 },
  { name: 'Excelsior', lat: 37.722, lng: -122.43, from: 12 },
  { name: 'Manhattan', lat: 40.783, lng: -73.966, from: 9 },
  { name: 'Brooklyn', lat: 40.65, lng: -73.95, from: 9 },
  { name: 'Queens', lat: 40.73, lng: -73.82, from: 9 },
  { name: 'Bronx', lat: 40.85, lng: -73.87, from: 9 },
  { name: 'Staten Island', lat: 40.58, lng: -74.15, from: 9 },
  { name: 'Newark', lat: 40.735, lng: -74.18, from: 9.5 },
  { name: 'JFK', lat: 40.645, lng: -73.785, from: 10 },
];

export function shown(p: PlaceName, zoom: number): boolean {
  return zoom >= p.from && zoom < (p.until ?? Infinity);
}
