package geo

import (
	"math"
	"math/rand/v2"
	"testing"
)

// anywhere is a place drawn evenly from the sphere.
func anywhere(r *rand.Rand) LatLng {
	return LatLng{
		Lat: math.Asin(2*r.Float64()-1) * 180 / math.Pi,
		Lng: 360*r.Float64() - 180,
	}
}

// toward is the place at a distance from p in a direction (radians, clockwise from north).
func toward(p LatLng, d Meters, bearing float64) LatLng {
	a := float64(d / EarthRadius)
	lat, lng := p.Lat*math.Pi/180, p.Lng*math.Pi/180
	sin := math.Sin(lat)*math.Cos(a) + math.Cos(lat)*math.Sin(a)*math.Cos(bearing)
	out := math.Asin(max(-1, min(1, sin)))
	dLng := math.Atan2(math.Sin(bearing)*math.Sin(a)*math.Cos(lat), math.Cos(a)-math.Sin(lat)*sin)
	return LatLng{
		Lat: out * 180 / math.Pi,
		Lng: max(-180, min(180, math.Remainder((lng+dLng)*180/math.Pi, 360))),
	}
}

func TestReach_outside(t *testing.T) {
	t.Run("places_nearer_than_the_bound_are_in_the_disk", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		trusted := 0
		for range 4000 {
			res, k := r.IntN(12), 1+r.IntN(8)
			q := anywhere(r)
			l := newLattice(res)
			bound, ok := l.from(q).outside(k)
			if !ok {
				continue
			}
			trusted++
			disk := map[cell]bool{}
			home := cellAt(q, res)
			for i := range k + 1 {
				ring, whole := home.ring(i)
				if !whole {
					t.Fatalf("ring %d of %v at resolution %d meets a pentagon where the bound is trusted", i, q, res)
				}
				for _, c := range ring {
					disk[cell(c)] = true
				}
			}
			for range 60 {
				p := toward(q, bound*Meters(1-0.05*r.Float64()*r.Float64()), 2*math.Pi*r.Float64())
				if d := Distance(q, p); d < bound && !disk[cellAt(p, res)] {
					t.Fatalf("%v is outside disk %d of %v at resolution %d, %v m away; the bound says %v m",
						p, k, q, res, d, bound)
				}
			}
		}
		if trusted < 2000 {
			t.Errorf("only %d of 4000 bounds were trusted", trusted)
		}
	})

	t.Run("it_is_not_much_too_small", func(t *testing.T) {
		// Half of what it is would be just as right, and cost four times the cells: the nearest place outside
		// disk 5 must not be farther than 1.6 bounds.
		q := LatLng{Lat: 37.7749, Lng: -122.4194}
		l := newLattice(9)
		bound, ok := l.from(q).outside(5)
		if !ok {
			t.Fatal("no bound in San Francisco")
		}
		disk := map[cell]bool{}
		for i := range 6 {
			ring, _ := cellAt(q, 9).ring(i)
			for _, c := range ring {
				disk[cell(c)] = true
			}
		}
		for bearing := 0.0; bearing < 2*math.Pi; bearing += 0.01 {
			if !disk[cellAt(toward(q, 1.6*bound, bearing), 9)] {
				return
			}
		}
		t.Errorf("nothing outside disk 5 within 1.6 times the bound of %v m", bound)
	})

	t.Run("none_is_claimed_at_a_pentagon", func(t *testing.T) {
		l := newLattice(8)
		for _, p := range pentagons() {
			if _, ok := l.from(p).outside(1); ok {
				t.Errorf("a bound is trusted at the pentagon %v", p)
			}
		}
	})
}

// pentagons are the places of the twelve pentagons.
func pentagons() []LatLng {
	var ps []LatLng
	for _, v := range icosahedronVertices() {
		ps = append(ps, LatLng{
			Lat: math.Asin(v[2]) * 180 / math.Pi,
			Lng: math.Atan2(v[1], v[0]) * 180 / math.Pi,
		})
	}
	return ps
}

func TestLattice_from(t *testing.T) {
	t.Run("no_place_is_farther_from_its_face_than_a_corner", func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		l := newLattice(5)
		most := 0.0
		for range 100_000 {
			most = max(most, l.from(anywhere(r)).angle)
		}
		if most > maxFaceAngle || most < maxFaceAngle-0.02 {
			t.Errorf("greatest angle %v, want just below %v", most, maxFaceAngle)
		}
		for _, p := range pentagons() {
			if got := l.from(p).angle; math.Abs(got-maxFaceAngle) > 1e-6 {
				t.Errorf("angle at the corner %v is %v, want %v", p, got, maxFaceAngle)
			}
		}
	})
}
