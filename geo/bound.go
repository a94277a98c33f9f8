package geo

import "math"

// How far can a disk of cells be trusted?
//
// H3 draws one lattice of regular hexagons, edge s, on the flat faces of an icosahedron whose faces touch
// the sphere at their centres, and projects it to the sphere from the middle (the gnomonic projection of
// each face). The lattice runs on over the edges of the solid; only at its twelve vertices, the centres of
// the pentagons, is it bent. Two facts follow:
//
//  1. Scale. At the angle a from the centre of its face, the projection shortens a flat length to a factor
//     of between cos(a)^2 (along the line to the centre) and cos(a) (across), never above 1.
//  2. Flatness. A path from the query q that is shorter than q's distance to every vertex can be unrolled
//     into the plane together with its lattice.
//
// Claim: when no vertex is within sqrt(3) s (k+2) of q, then every place outside the disk of k rings around
// q's cell is at least cos(a(q) + F)^2 * F from q, where F = s (1.5 k - 0.5) is flat (in the cosine as an
// angle seen from the middle) and a(q) is the angle of q from the centre of its face.
//
// Proof. In the plane, the cells beyond ring k lie in six half-planes: one behind each of the six rows at
// row distance k+1. Rows are 1.5 s apart and a cell reaches s to either side of its row's middle, so such a
// half-plane is 1.5 s (k+1) - s from the middle of q's cell and, as q is at most s off the middle, F from q.
// By 2, which covers all of disk k and the ring behind it, a path on the solid from q to a place outside
// the disk is thus at least F long. Now take the great circle from q to such a place, of length l. If
// l >= F the claim holds, since the cosine is at most 1. Else all of it is within F of q, where the angle
// from the centre of the face, which is the nearest of all centres, is at most a(q) + F; by 1 its flat
// length is at most l / cos(a(q) + F)^2, and that is at least F.
//
// Near a vertex the claim says nothing, and the index looks at every cell instead. All twelve lie at sea.

// vector is a point of the unit sphere.
type vector [3]float64

func vectorAt(p LatLng) vector {
	sinLat, cosLat := math.Sincos(p.Lat * math.Pi / 180)
	sinLng, cosLng := math.Sincos(p.Lng * math.Pi / 180)
	return vector{cosLat * cosLng, cosLat * sinLng, sinLat}
}

func (a vector) dot(b vector) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

// nearest is the angle to the nearest of some points, in radians; exact enough for small ones too.
func (a vector) nearest(others []vector) float64 {
	most := -1.0
	for _, b := range others {
		most = max(most, a.dot(b))
	}
	return 2 * math.Asin(min(1, math.Sqrt(max(0, 2-2*most))/2))
}

// lattice is what the bound needs to know of a resolution. Immutable.
type lattice struct {
	edge     Meters // s
	vertices [12]vector
	centers  [20]vector // of the faces
}

func newLattice(resolution int) lattice {
	l := lattice{edge: flatEdge(resolution), vertices: icosahedronVertices()}
	// Two vertices share an edge when they are atan(2) = 63.4 degrees apart; the next distance is 116.6.
	const neighbors = 0.4 // cosine, between theirs of 0.447 and -0.447
	n := 0
	for i, a := range l.vertices {
		for j, b := range l.vertices[:i] {
			for _, c := range l.vertices[:j] {
				if a.dot(b) > neighbors && a.dot(c) > neighbors && b.dot(c) > neighbors {
					l.centers[n] = middle(a, b, c)
					n++
				}
			}
		}
	}
	return l
}

// middle is the centre of the face with these corners.
func middle(a, b, c vector) vector {
	var m vector
	for axis := range m {
		m[axis] = a[axis] + b[axis] + c[axis]
	}
	norm := math.Sqrt(m.dot(m))
	for axis := range m {
		m[axis] /= norm
	}
	return m
}

// reach is the bound as seen from one query.
type reach struct {
	edge   Meters
	vertex Meters  // distance of the nearest vertex
	angle  float64 // a(q), radians
}

// maxFaceAngle is the angle from the centre of a face to its corners, acos(sqrt((5+2 sqrt 5)/15)): no place
// is farther from the centre of its face.
const maxFaceAngle = 0.6523581397843682

// from prepares the bound for the query q.
func (l *lattice) from(q LatLng) reach {
	at := vectorAt(q)
	return reach{
		edge:   l.edge,
		vertex: EarthRadius * Meters(at.nearest(l.vertices[:])),
		angle:  at.nearest(l.centers[:]),
	}
}

// outside is a lower bound on the distance of anything outside the disk of k rings; ok is false when none
// is known. It is negative for k = 0.
func (r reach) outside(k int) (bound Meters, ok bool) {
	// H3 rounds: a place within a hair of an edge may be filed on its other side.
	const hair = 1 - 1e-6
	if r.vertex <= r.edge*Meters(math.Sqrt(3))*Meters(k+2) {
		return 0, false
	}
	flat := r.edge * Meters(1.5*float64(k)-0.5)
	cos := math.Cos(min(maxFaceAngle, r.angle+float64(flat/EarthRadius)))
	return flat * Meters(cos*cos*hair), true
}
