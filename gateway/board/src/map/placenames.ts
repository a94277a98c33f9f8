import { Marker, type Map as GLMap } from 'maplibre-gl';
import { places, shown, type PlaceName } from './places';

/** PlaceNames writes the names that fit the zoom; it owns their markers. */
export class PlaceNames {
  private readonly markers: { place: PlaceName; marker: Marker; added: boolean }[];

  constructor(private readonly map: GLMap) {
    this.markers = places.map((place) => {
      const element = document.createElement('div');
      element.className = 'place-name';
      element.textContent = place.name;
      element.setAttribute('aria-hidden', 'true');
      return { place, marker: new Marker({ element }).setLngLat([place.lng, place.lat]), added: false };
    });
  }

  show(zoom: number): void {
    for (const m of this.markers) {
      const want = shown(m.place, zoom);
      if (want && !m.added) {
        m.marker.addTo(this.map);
      } else if (!want && m.added) {
        m.marker.remove();
      }
      m.added = want;
    }
  }
}
