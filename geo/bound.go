package geo

import "math"

// When may a search stop?
//
// On one face of the solid everything is flat: cells are the hexagons of a lattice with edge s, and the great
// circle between two places of the face is the straight line between their projections. Only the scale
// changes: at the angle a from the middle of the face, a short way on the sphere is longer in the plane by a
// factor between 1/cos(a) (across) and 1/cos(a)^2 (away from the middle), never below 1.
//
// Two bounds follow. All lengths are angles as seen from the middle of the Earth.
//
//  1. Reach. A place is at most s cos(b) from the middle of its cell, when no point of the cell is nearer to the
//     middle of the face than b: the line between them is at most s long in the plane and stays in the cell, where
//     a way on the sphere is at most cos(b) times as long as in the plane.
//  2. Stop. Let F be the length in the plane between the query q and a place p of its face. Then p is at least
//     F cos(min(A, a(q) + F))^2 from q, A being the angle of a face's corners and a(q) that of q. Proof: let l be the
//     great circle's length. If l >= F, the claim holds, as the cosine is at most 1. Else the whole of it is within
//     F of q and thus within a(q) + F of the middle; being straight in a triangle it is within A as well. So in the
//     plane it is at most l / cos(min(A, a(q) + F))^2 long, and it is F long there.
//
// A search looks at the cells of q's face in the order of the distance D of their middles from the middle of q's
// cell, in the plane. What is in a cell at D or later is at least F = D - 2s from q: both are at most s from the
// middle of their cells. So nothing that is still to come is nearer than bound 2 says for D - 2s. Another face is no
// nearer than the edge of this one. A search that gets that far, or through all cells of its list, begins again: it
// takes the tiles of all faces by their distance on the sphere, with the radius that it has found (nearest.go).

// slack covers the rounding of all these, and the hair by which a place may be filed on either side of an edge: a
// part in a million and, in radians, six micrometres.
const (
	slackPart  = 1e-6
	slackAngle = 1e-12
)

// maxFaceAngle is the angle from the middle of a face to its corners, acos(sqrt((5+2 sqrt 5)/15)): no place of the
// face is farther.
const maxFaceAngle = 0.6523581397843682

// cosMaxFaceAngle is its cosine: sqrt((5+2 sqrt 5)/15).
const cosMaxFaceAngle = 0.7946544722917661

// reach is bound 1 for cells that are at least nearest from the middle of their face. At least: a cell that reaches over
// its middle has no such bound but s.
func (l *lattice) reach(nearest float64) float64 {
	return l.edge*math.Cos(max(0, nearest))*(1+slackPart) + slackAngle
}

// shrink is the factor of bound 2 for a query at an angle a from the middle of its face, given by its cosine, and for all
// lengths up to a flat one, given by its cosine and sine.
func shrink(cosA, cosFlat, sinFlat float64) float64 {
	cos := cosA*cosFlat - math.Sqrt(max(0, 1-cosA*cosA))*sinFlat
	if cosFlat < 0 || cos < cosMaxFaceAngle {
		cos = cosMaxFaceAngle
	}
	return cos * cos * (1 - slackPart)
}
