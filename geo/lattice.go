package geo

import "math"

// How a place finds its cell without a call to H3.
//
// H3 gives each place to the face of an icosahedron whose centre is nearest, projects it from the middle of
// the Earth to the plane of that face (the gnomonic projection) and takes the nearest point of a lattice of
// equilateral triangles that is drawn there. A cell is thus the flat hexagon around a point of a lattice, cut
// by the edges of its face, and a great circle is a straight line: H3's own edges are the hexagon's, exactly.
//
// The index names a cell by (face, u, v) and computes the same. A cell that an edge of a face cuts has a name
// on each side; nothing depends on whether two names are one cell. What H3 computes and what is computed here
// differ by rounding: nearer to an edge than lattice.hair, H3 is asked (index.go, border). So what is filed
// under one name has one cell of H3, and what H3 files in one cell has one name a face; lattice_test.go holds
// both against H3.

// vector is a point of the unit sphere.
type vector [3]float64

func vectorAt(p LatLng) vector {
	sinLat, cosLat := math.Sincos(p.Lat * math.Pi / 180)
	sinLng, cosLng := math.Sincos(p.Lng * math.Pi / 180)
	return vector{cosLat * cosLng, cosLat * sinLng, sinLat}
}

func (a vector) dot(b vector) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

func (a vector) cross(b vector) vector {
	return vector{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

// plus gives a + f b.
func (a vector) plus(f float64, b vector) vector {
	return vector{a[0] + f*b[0], a[1] + f*b[1], a[2] + f*b[2]}
}

func (a vector) scaled(f float64) vector { return vector{f * a[0], f * a[1], f * a[2]} }

func (a vector) unit() vector { return a.scaled(1 / math.Sqrt(a.dot(a))) }

// place is the inverse of vectorAt.
func (a vector) place() LatLng {
	return LatLng{
		Lat: math.Atan2(a[2], math.Hypot(a[0], a[1])) * 180 / math.Pi,
		Lng: math.Atan2(a[1], a[0]) * 180 / math.Pi,
	}
}

// face is one side of the icosahedron with its lattice. Immutable.
type face struct {
	center vector
	// u and v give the coordinates: u is p.u / p.center, v likewise. The axes are 60 degrees apart and the unit
	// is the distance of neighbouring cells.
	u, v vector
	// east and north are the steps of u and v in the plane, as vectors: the place of (u, v) lies in the
	// direction of center + u east + v north.
	east, north vector
	// edges are the unit normals of its three edges: p.edge is the sine of p's distance from it, positive inside.
	edges [3]vector
}

// at projects p to the plane of the face.
func (f *face) at(p vector) (u, v float64) {
	scale := 1 / p.dot(f.center)
	return p.dot(f.u) * scale, p.dot(f.v) * scale
}

// place is the point of the sphere at (u, v).
func (f *face) place(u, v float64) vector {
	return f.center.plus(u, f.east).plus(v, f.north).unit()
}

// inside is a lower bound on the angle from p, which is on the face, to its edges.
func (f *face) inside(p vector) float64 {
	return min(p.dot(f.edges[0]), p.dot(f.edges[1]), p.dot(f.edges[2]))
}

// lattice is the twenty faces at one resolution. Immutable.
type lattice struct {
	resolution int
	faces      [20]face
	// spacing is the distance of neighbouring cells in the plane, radians of the sphere that the faces touch;
	// edge, that of a cell's edge and of its corners from its middle, is sqrt(3) times less.
	spacing, edge float64
	// perLat is steps of a tile's grid a degree of latitude.
	perLat float64
}

// axisTurn is how much the odd resolutions are turned against the even ones, asin(sqrt(3/28)) (M_AP7_ROT_RADS of
// H3's constants.h).
const axisTurn = 0.333473172251832115336090755351601070065900389

func newLattice(resolution int) *lattice {
	l := &lattice{resolution: resolution, edge: float64(flatEdge(resolution) / EarthRadius)}
	l.spacing = l.edge * math.Sqrt(3)
	l.perLat = halfSteps / heightDeg(l.tileRadius())
	vs := icosahedronVertices()
	n := 0
	// Two vertices share an edge when they are atan(2) = 63.4 degrees apart; the next distance is 116.6.
	near := func(a, b vector) bool { return a.dot(b) > 0.4 }
	for i, a := range vs {
		for j, b := range vs[:i] {
			for _, c := range vs[:j] {
				if near(a, b) && near(a, c) && near(b, c) {
					l.faces[n] = l.newFace(a, b, c)
					n++
				}
			}
		}
	}
	return l
}

// newFace makes the face with these corners. Its even lattices have an axis toward each corner.
func (l *lattice) newFace(a, b, c vector) face {
	f := face{center: a.plus(1, b).plus(1, c).unit()}
	x := a.plus(-a.dot(f.center), f.center).unit()
	y := f.center.cross(x)
	if l.resolution%2 == 1 {
		sin, cos := math.Sincos(axisTurn)
		x, y = x.scaled(cos).plus(sin, y), y.scaled(cos).plus(-sin, x)
	}
	sqrt3 := math.Sqrt(3)
	f.u = x.plus(-1/sqrt3, y).scaled(1 / l.spacing)
	f.v = y.scaled(2 / sqrt3 / l.spacing)
	f.east = x.scaled(l.spacing)
	f.north = x.scaled(1.0/2).plus(sqrt3/2, y).scaled(l.spacing)
	for i, e := range [3][2]vector{{a, b}, {b, c}, {c, a}} {
		normal := e[0].cross(e[1]).unit()
		if normal.dot(f.center) < 0 {
			normal = normal.scaled(-1)
		}
		f.edges[i] = normal
	}
	return f
}

// nearest is the face that p is on.
func (l *lattice) nearest(p vector) int {
	best, most := 0, -2.0
	for i := range l.faces {
		if d := p.dot(l.faces[i].center); d > most {
			best, most = i, d
		}
	}
	return best
}

// hair is how near to an edge, in units of overhang, H3's rounding may decide otherwise than ours, at an angle from the
// middle of the face. Both round to some 1e-15 of the plane; but H3 takes the angle by acos, which loses it near the middle.
func (l *lattice) hair(angle float64) float64 {
	return min(1, (1e-13+1e-15/max(angle, 1e-15))/l.spacing)
}

// covers tells whether the overhang of (du, dv), from the middle of a cell, is at most so much: the overhang is below 1
// inside and 1 on an edge. Each of the three is a pair of half-planes.
func covers(du, dv, most float64) bool {
	return math.Abs(2*du+dv) <= most && math.Abs(du+2*dv) <= most && math.Abs(du-dv) <= most
}

// round gives the cell around (u, v): both are rounded, and so is their sum; when these do not add up, the one
// that was moved most gives way.
func round(u, v float64) (int32, int32) {
	ru, rv, rw := math.RoundToEven(u), math.RoundToEven(v), math.RoundToEven(-u-v)
	du, dv, dw := math.Abs(ru-u), math.Abs(rv-v), math.Abs(rw+u+v)
	if du > dv && du > dw {
		ru = -rv - rw
	} else if dv > dw {
		rv = -ru - rw
	}
	return int32(ru), int32(rv)
}
