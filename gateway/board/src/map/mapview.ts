// The map: MapLibre draws the ground, deck.gl what moves. This chunk is large and is loaded after the page.
import 'maplibre-gl/dist/maplibre-gl.css';
import { MapLibreOverlay } from '@deck.gl/maplibre';
import { cellToLatLng } from 'h3-js';
import * as maplibregl from 'maplibre-gl';
// "?worker&url" and not "?url": the worker is a bundle of its own, which MapLibre must be told of, else the map
// stays empty.
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import { boundsOf, middle } from '../core/extent';
import { hit, type Spot } from '../core/hit';
import type { Model } from '../core/model';
import { moves } from '../core/motion';
import type { BBox, Market, Order } from '../core/wire';
import { gridRings } from './grid';
import { drawIcons } from './icons';
import { layers } from './layers';
import { PlaceNames } from './placenames';
import { baseStyle, repaint, setGrid, setOutline } from './style';

maplibregl.setWorkerUrl(workerUrl);

export interface MapEvents {
  /** The view came to rest; it has not when it is moved on within restMs. */
  rest(bbox: BBox, zoom: number): void;
  select(order: string | null): void;
}

/** 20 pictures a second are smooth for cars seen from above, and leave the computer to others. */
const frameMs = 50;
const restMs = 300;
/** The server tells each driver by itself from this zoom on: the first look is at cars, not at cells. */
const nearest = 12.01;
const closest = 12.6;
/** What the panels cover, so that what is shown is shown between them. */
const covered = { left: 380, right: 40, top: 90, bottom: 60 };

export class MapView {
  private readonly map: maplibregl.Map;
  private readonly overlay = new MapLibreOverlay({ interleaved: false, layers: [] });
  private readonly names: PlaceNames;
  private icons = drawIcons();
  private selected: string | null = null;
  private market: Market | null = null;
  /** Whether the next frame with something in it decides where to look. */
  private unfitted = true;
  private changed = true;
  private lastDrawn = 0;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private request = 0;

  constructor(
    private readonly container: HTMLElement,
    private readonly model: Model,
    private readonly on: MapEvents,
    private readonly calm: boolean,
  ) {
    this.map = new maplibregl.Map({
      container, style: baseStyle(), center: [0, 0], zoom: 2, attributionControl: false, dragRotate: false,
      pitchWithRotate: false, maxPitch: 0, touchPitch: false, renderWorldCopies: false, fadeDuration: 0,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(this.overlay);
    this.map.getCanvas().setAttribute('aria-label', 'Map of drivers and orders; the tables tell the same');
    this.names = new PlaceNames(this.map);
    this.map.on('load', () => this.loaded());
    this.map.on('moveend', () => this.rested());
    this.map.on('move', () => (this.changed = true));
    this.map.on('click', (e) => this.pressed(e.point));
  }

  private loaded(): void {
    if (this.market) {
      setOutline(this.map, this.market);
    }
    this.rested();
    this.request = requestAnimationFrame((t) => this.frame(t));
  }

  show(market: Market): void {
    this.market = market;
    this.unfitted = true;
    const [w, s, e, n] = boundsOf(market.area);
    this.map.setMaxBounds([w - 1, s - 1, e + 1, n + 1]);
    this.map.fitBounds([w, s, e, n], { animate: false, padding: 20 });
    if (this.map.isStyleLoaded()) {
      setOutline(this.map, market);
    }
  }

  /** update tells that the model changed. */
  update(): void {
    this.changed = true;
    if (this.unfitted && this.model.seq !== null) {
      this.fit(false);
    }
  }

  /** fit looks at where most is going on. */
  fit(animate = true): void {
    const box = middle(this.places());
    if (!box) {
      return;
    }
    this.unfitted = false;
    const camera = this.map.cameraForBounds(box, { padding: this.padding(), maxZoom: closest });
    if (camera?.center) {
      const zoom = Math.max(nearest, camera.zoom ?? nearest);
      this.map.easeTo({ ...camera, zoom, animate: animate && !this.calm });
    }
  }

  zoom(by: number): void {
    this.map.zoomTo(this.map.getZoom() + by, { animate: !this.calm });
  }

  select(id: string | null): void {
    this.selected = id;
    this.changed = true;
  }

  /** flyTo shows an order's way, and its driver. */
  flyTo(o: Order): void {
    const points: [number, number][] = o.stops.map((s) => [s.lng, s.lat]);
    const driver = o.driver_id === null ? undefined : this.model.drivers.get(o.driver_id);
    if (driver) {
      points.push([driver.lng, driver.lat]);
    }
    const bounds = new maplibregl.LngLatBounds();
    points.forEach((p) => bounds.extend(p));
    this.unfitted = false;
    this.map.fitBounds(bounds, { padding: this.padding(60), maxZoom: 15, animate: !this.calm, duration: 900 });
  }

  retheme(): void {
    this.icons = drawIcons();
    this.changed = true;
    if (this.map.isStyleLoaded()) {
      repaint(this.map);
    } else {
      this.map.once('load', () => repaint(this.map));
    }
  }

  remove(): void {
    cancelAnimationFrame(this.request);
    clearTimeout(this.rest);
    this.map.remove();
  }

  /** Half of a small window is left for the map, whatever the panels cover. */
  private padding(more = 0) {
    const { clientWidth: width, clientHeight: height } = this.container;
    const share = Math.min(1, width / 2 / (covered.left + covered.right), height / 2 / (covered.top + covered.bottom));
    const of = (px: number) => px * share + more * share;
    return { left: of(covered.left), right: of(covered.right), top: of(covered.top), bottom: of(covered.bottom) };
  }

  private places(): [number, number][] {
    const m = this.model;
    if (m.mode === 'drivers') {
      return Array.from(m.drivers.values(), (d) => [d.lng, d.lat]);
    }
    return Array.from(m.cells.values()).flatMap((c) => {
      const [lat, lng] = cellToLatLng(c.cell);
      return Array.from({ length: c.available + c.busy }, (): [number, number] => [lng, lat]);
    });
  }

  private rested(): void {
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      const b = this.map.getBounds();
      const box: BBox = [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
      const zoom = this.map.getZoom();
      setGrid(this.map, gridRings(box, zoom));
      this.names.show(zoom);
      if (this.market) {
        this.on.rest(box, zoom);
      }
    }, restMs);
  }

  private frame(t: number): void {
    this.request = requestAnimationFrame((next) => this.frame(next));
    if (t - this.lastDrawn < frameMs) {
      return;
    }
    // Those who want no motion see each fix where it is.
    const now = this.calm ? Infinity : performance.now();
    if (!this.changed && !this.moving(now)) {
      return;
    }
    this.lastDrawn = t;
    this.changed = this.moving(now);
    this.overlay.setProps({
      layers: layers({ model: this.model, icons: this.icons, now, zoom: this.map.getZoom(), selected: this.selected }),
    });
    this.container.dataset['drawn'] = String(this.model.mode === 'drivers' ? this.model.drivers.size : this.model.cells.size);
  }

  private moving(now: number): boolean {
    if (this.model.mode !== 'drivers') {
      return false;
    }
    for (const d of this.model.drivers.values()) {
      if (moves(d.track, now)) {
        return true;
      }
    }
    return false;
  }

  private pressed(point: { x: number; y: number }): void {
    const spots: Spot[] = [];
    for (const o of this.model.orders.values()) {
      o.stops.slice(o.next_stop).forEach((s) => spots.push({ order: o.id, lng: s.lng, lat: s.lat }));
      const driver = o.driver_id === null ? undefined : this.model.drivers.get(o.driver_id);
      if (driver) {
        spots.push({ order: o.id, lng: driver.lng, lat: driver.lat });
      }
    }
    this.on.select(hit(spots, point.x, point.y, (s) => this.map.project([s.lng, s.lat])));
  }
}
