// The drivers' markers, drawn once a theme into one picture: an arrow that shows the heading, or a shape that
// tells the state without colour (a square stands, a ring is out of reach).
import type { DriverState } from '../core/wire';
import { css } from './colors';

const side = 64;

type Shape = 'arrow' | 'disc' | 'square' | 'ring';

const shapes: [name: string, color: string, shape: Shape][] = [
  ['available', 'available', 'arrow'],
  ['available-still', 'available', 'disc'],
  ['reserved', 'reserved', 'arrow'],
  ['reserved-still', 'reserved', 'disc'],
  ['on_trip', 'on-trip', 'arrow'],
  ['on_trip-still', 'on-trip', 'disc'],
  ['stopped', 'stopped', 'square'],
  ['non_contactable', 'non-contactable', 'ring'],
];

export interface Icons {
  atlas: HTMLCanvasElement;
  mapping: Record<string, { x: number; y: number; width: number; height: number; mask: boolean }>;
}

export function drawIcons(): Icons {
  const atlas = document.createElement('canvas');
  atlas.width = side * shapes.length;
  atlas.height = side;
  const pen = atlas.getContext('2d')!;
  const mapping: Icons['mapping'] = {};
  shapes.forEach(([name, color, shape], i) => {
    pen.save();
    pen.translate(side * (i + 0.5), side / 2);
    draw(pen, shape, css(color), css('halo'));
    pen.restore();
    mapping[name] = { x: side * i, y: 0, width: side, height: side, mask: false };
  });
  return { atlas, mapping };
}

/** turns tells whether a marker shows the heading. */
export function turns(state: DriverState): boolean {
  return state !== 'stopped' && state !== 'non_contactable';
}

/** iconOf names the marker of a driver. */
export function iconOf(state: DriverState, heading: number | null): string {
  if (!turns(state)) {
    return state;
  }
  const known = state === 'reserved' || state === 'on_trip' ? state : 'available';
  return heading === null ? `${known}-still` : known;
}

function draw(pen: CanvasRenderingContext2D, shape: Shape, color: string, halo: string): void {
  pen.lineJoin = 'round';
  pen.beginPath();
  outline(pen, shape);
  pen.strokeStyle = halo;
  if (shape === 'ring') {
    pen.lineWidth = 16;
    pen.stroke();
    pen.strokeStyle = color;
    pen.lineWidth = 8;
    pen.stroke();
    return;
  }
  pen.lineWidth = 9;
  pen.stroke();
  pen.fillStyle = color;
  pen.fill();
}

function outline(pen: CanvasRenderingContext2D, shape: Shape): void {
  switch (shape) {
    case 'arrow':
      pen.moveTo(0, -25);
      pen.lineTo(19, 22);
      pen.lineTo(0, 13);
      pen.lineTo(-19, 22);
      pen.closePath();
      return;
    case 'disc':
      pen.arc(0, 0, 15, 0, 2 * Math.PI);
      return;
    case 'square':
      pen.roundRect(-14, -14, 28, 28, 6);
      return;
    case 'ring':
      pen.arc(0, 0, 14, 0, 2 * Math.PI);
  }
}
