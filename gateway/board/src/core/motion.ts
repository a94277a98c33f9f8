// How a driver moves between two fixes: it glides from where it is drawn to the new fix in about the time that
// lay between the fixes, so that it arrives when the next one is due. Times are ms of performance.now.

export interface Place {
  lat: number;
  lng: number;
  /** Degrees clockwise from true north; null when nothing tells it. */
  heading: number | null;
}

/** Track is immutable; a new fix makes a new one. */
export interface Track {
  from: Place;
  to: Place;
  start: number;
  /** start <= end; they are equal when the driver stands. */
  end: number;
}

const shortestGlide = 300;
/** Fixes further apart in time than this are glided over in this time: a marker must not lag a minute behind. */
const longestGlide = 4000;
/** Over this distance a marker jumps: it is a correction, not a movement. In degrees of latitude, about 3 km. */
const jump = 0.027;
/** Less than this (about 2 m) is noise and tells no direction. */
const noise = 0.00002;

/** retarget gives the track from where the driver is drawn now to its new fix. */
export function retarget(track: Track | undefined, fix: Place, now: number): Track {
  if (!track) {
    return { from: fix, to: fix, start: now, end: now };
  }
  if (fix.lat === track.to.lat && fix.lng === track.to.lng && fix.heading === track.to.heading) {
    return track;
  }
  const here = at(track, now);
  const east = (fix.lng - here.lng) * Math.cos((fix.lat * Math.PI) / 180);
  const north = fix.lat - here.lat;
  const distance = Math.hypot(east, north);
  const heading = fix.heading ?? (distance > noise ? bearing(east, north) : here.heading);
  const to = { ...fix, heading };
  if (distance > jump) {
    return { from: to, to, start: now, end: now };
  }
  const glide = Math.min(longestGlide, Math.max(shortestGlide, now - track.start));
  return { from: here, to, start: now, end: now + glide };
}

/** at gives the place on the track. */
export function at(track: Track, now: number): Place {
  if (now >= track.end) {
    return track.to;
  }
  const part = Math.max(0, (now - track.start) / (track.end - track.start));
  return {
    lat: track.from.lat + (track.to.lat - track.from.lat) * part,
    lng: track.from.lng + (track.to.lng - track.from.lng) * part,
    heading: turn(track.from.heading, track.to.heading, Math.min(1, part * 2)),
  };
}

/** moves tells whether the track still changes after now. */
export function moves(track: Track, now: number): boolean {
  return now < track.end;
}

function bearing(east: number, north: number): number {
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}

/** turn goes the shorter way round. */
function turn(from: number | null, to: number | null, part: number): number | null {
  if (from === null || to === null) {
    return to;
  }
  const arc = ((to - from + 540) % 360) - 180;
  return (from + arc * part + 360) % 360;
}
