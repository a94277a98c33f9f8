// The base map: land, water and shore where the coast is known, the market's outline, and a grid of H3 cells.
// It is made of what the page carries; nothing is fetched.
import type { GeoJSONSource, Map as GLMap, StyleSpecification } from 'maplibre-gl';
import type { Market } from '../core/wire';
import coast from './coast.json';
import { css } from './colors';

type Ring = number[][];

function rectangle([w, s, e, n]: number[]): Ring {
  return [[w!, s!], [e!, s!], [e!, n!], [w!, n!], [w!, s!]];
}

function geometry(type: string, coordinates: unknown): GeoJSON.Feature {
  return { type: 'Feature', properties: {}, geometry: { type, coordinates } as GeoJSON.Geometry };
}

const empty: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] };

export function baseStyle(): StyleSpecification {
  const sea = geometry('MultiPolygon', coast.regions.map((r) => [rectangle(r)]));
  const source = (data: GeoJSON.GeoJSON) => ({ type: 'geojson' as const, data });
  return {
    version: 8,
    sources: {
      sea: source(sea),
      land: source(geometry('MultiPolygon', coast.land.coordinates)),
      grid: source(empty),
      outline: source(empty),
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': css('land') } },
      { id: 'sea', type: 'fill', source: 'sea', paint: { 'fill-color': css('water'), 'fill-antialias': false } },
      { id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': css('land') } },
      { id: 'shore', type: 'line', source: 'land', paint: { 'line-color': css('shore'), 'line-width': 1 } },
      {
        id: 'grid', type: 'line', source: 'grid',
        paint: { 'line-color': css('grid'), 'line-width': 0.75, 'line-opacity': 0.16 },
      },
      {
        id: 'outline', type: 'line', source: 'outline',
        paint: { 'line-color': css('outline'), 'line-width': 1.25, 'line-dasharray': [4, 3] },
      },
    ],
  };
}

/** repaint takes the colours of the theme that the page has now. */
export function repaint(map: GLMap): void {
  map.setPaintProperty('ground', 'background-color', css('land'));
  map.setPaintProperty('sea', 'fill-color', css('water'));
  map.setPaintProperty('land', 'fill-color', css('land'));
  map.setPaintProperty('shore', 'line-color', css('shore'));
  map.setPaintProperty('grid', 'line-color', css('grid'));
  map.setPaintProperty('outline', 'line-color', css('outline'));
}

export function setOutline(map: GLMap, market: Market): void {
  map.getSource<GeoJSONSource>('outline')?.setData(geometry(market.area.type, market.area.coordinates));
}

export function setGrid(map: GLMap, rings: Ring[]): void {
  map.getSource<GeoJSONSource>('grid')?.setData(geometry('MultiLineString', rings));
}
