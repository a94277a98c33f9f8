package geo

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestShrink(t *testing.T) {
	// Places of a face at a length in the plane are no nearer than bound 2 says, and some hardly farther.
	t.Run("no_place_is_nearer_than_bound_2", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		closest := math.Inf(1)
		l := newLattice(9)
		for range 200_000 {
			q := vectorAt(anywhere(r))
			f := &l.faces[l.nearest(q)]
			u, v := f.at(q)
			length := math.Pow(10, -4*r.Float64()) / l.spacing
			turn := 7 * r.Float64()
			du := length * (math.Cos(turn) - math.Sin(turn)/math.Sqrt(3))
			dv := length * math.Sin(turn) * 2 / math.Sqrt(3)
			p := f.place(u+du, v+dv)
			if f.inside(p) < 0 {
				continue
			}
			flat := length * l.spacing
			sin, cos := math.Sincos(flat)
			bound := flat * shrink(q.dot(f.center), cos, sin)
			d := float64(Distance(q.place(), p.place()) / EarthRadius)
			if d < bound-slackAngle {
				t.Fatalf("%v and %v are %v apart, the bound is %v", q.place(), p.place(), d, bound)
			}
			closest = min(closest, d/bound)
		}
		if closest > 1.05 {
			t.Errorf("the bound is never nearer than %v to what it bounds", closest)
		}
	})
}

func TestLattice_reach(t *testing.T) {
	// The corners of a cell are the farthest from its middle.
	t.Run("no_corner_is_beyond_bound_1", func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		var ls []*lattice
		for res := range maxResolution + 1 {
			ls = append(ls, newLattice(res))
		}
		for n := range 50_000 {
			l := ls[n%len(ls)]
			q := vectorAt(anywhere(r))
			f := &l.faces[l.nearest(q)]
			u, v := round(f.at(q))
			middle := f.place(float64(u), float64(v))
			nearest := math.Acos(min(1, middle.dot(f.center))) - l.edge
			for _, corner := range [][2]float64{{1, 1}, {2, -1}, {1, -2}, {-1, -1}, {-2, 1}, {-1, 2}} {
				p := f.place(float64(u)+corner[0]/3, float64(v)+corner[1]/3)
				if d := float64(Distance(middle.place(), p.place()) / EarthRadius); d > l.reach(nearest)+1e-12 {
					t.Fatalf("a corner of the cell around %v is %v away, its reach is %v", middle.place(), d, l.reach(nearest))
				}
			}
		}
	})
}

func TestFace(t *testing.T) {
	t.Run("no_place_is_farther_from_its_face_than_a_corner", func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		l := newLattice(5)
		most := 0.0
		for range 100_000 {
			p := vectorAt(anywhere(r))
			f := &l.faces[l.nearest(p)]
			most = max(most, math.Acos(p.dot(f.center)))
			if f.inside(p) < -1e-15 {
				t.Fatalf("%v is %v outside its face", p.place(), f.inside(p))
			}
		}
		if most > maxFaceAngle || most < maxFaceAngle-0.02 || math.Abs(math.Cos(maxFaceAngle)-cosMaxFaceAngle) > 1e-15 {
			t.Errorf("greatest angle %v, want just below %v", most, maxFaceAngle)
		}
	})
}
