package geo

import (
	"math"
	"slices"
	"time"
)

// How a search compares distances.
//
// Most drivers that a search comes by are too far; a haversine for each would cost ten times the rest. So it compares
// h = dLat^2 + cos(lat) cos(lat') dLng^2 in degrees, with the second cosine from its series. With the angle t between the
// places, in degrees, |h - t^2| <= epsilon t^2 when both differences are at most nearDeg and the latitude of the query at
// most 85 degrees: sin(x)^2 is x^2 less at most x^2/3 of it, for x half the difference 8.3e-6; what the series of the
// cosine leaves out is below dLat^3/6 = 1.7e-7, 2e-6 of cos(85 degrees); and t^2 is at most 1.7e-5 of it above
// 4 sin(t/2)^2. Farther off and nearer to the poles h is t^2 itself.
//
// A search keeps the spare more than K that have the least h (kept), and gives them their exact distances at last. What it
// did not keep has an h of at least the greatest kept, top, so a t^2 of at least top/(1+epsilon). If the K-th is nearer
// than that, nothing that was not kept can come before it, not even by its id. Else, with many drivers at one distance,
// the search is made again, exactly: then h is the distance in metres, and ties are judged by id.
const (
	epsilon = 1e-4
	nearDeg = 0.01 * 180 / math.Pi
	spare   = 3
)

// candidate is a driver that a search keeps for now.
type candidate struct {
	h   float64
	at  LatLng
	ns  int64
	who Handle
}

// search is a query on its way. Owned by one call of NearestInto.
type search struct {
	x       *Index
	patient bool // it locks what it reads

	q      Query
	sieve  sieve
	since  int64 // unix nanoseconds
	origin origin
	// near is nearDeg, or negative where h is exact everywhere; w0 + w1 dLat + w2 dLat^2 is cos(lat) cos(lat').
	near, w0, w1, w2 float64
	exact            bool
	vector           vector

	keep int
	// kept has the best so far, at most keep of them while that is at most inOrder, else perhaps more.
	kept []candidate
	// order is kept by h, while keep is at most inOrder.
	order []ranked
	// full tells that there may be candidates which were not kept.
	full bool
	// limit: what has a greater h is not looked at.
	limit float64
	// radius is limit as an angle in degrees, rounded up.
	radius float64
	// cellDeg is the length of a cell's edge, degrees.
	cellDeg float64
	// blurDeg is the greatest of the boxes that were looked at.
	blurDeg float64

	// seen are the tiles that were looked at, with their moves until then.
	seen []sighting
	// views are the tiles near the query, as far as they were needed; around has for each its number in views plus 1.
	views  []view
	around [aroundSide * aroundSide]uint8
	group  []glance
	hints  []hint
	queue  []distant
	ranks  []ranked
	warm   uint64 // nothing; warmUp explains
}

type sighting struct {
	tile  *tile
	began uint64
}

func newSearch(x *Index) *search {
	// Views are pointed to, and must not move.
	return &search{x: x, views: make([]view, 0, aroundSide*aroundSide+1)}
}

// run searches once; ok is false when it was disturbed.
func (s *search) run(dst []Neighbor, q *Query) (out []Neighbor, ok bool) {
	s.q = *q
	defer s.forget()
	if !s.prepare() {
		return dst, true
	}
	for _, exact := range [2]bool{false, true} {
		s.begin(exact)
		if !s.look() || !s.undisturbed() {
			return nil, false
		}
		if out, settled := s.finish(dst); settled {
			return out, true
		}
	}
	panic("geo: an exact search is not settled")
}

// prepare computes what depends on the query alone; ok is false when nothing can be found.
func (s *search) prepare() (ok bool) {
	q := &s.q
	s.sieve, s.origin = q.Filter.sieve(), newOrigin(q.At)
	sin, cos := math.Sincos(q.At.Lng * math.Pi / 180)
	s.vector = vector{s.origin.cos * cos, s.origin.cos * sin, s.origin.sin}
	s.since = never + 1 // drivers without a fix never count
	if q.FreshSince.IsZero() {
		return true
	}
	if since, ok := nanos(q.FreshSince); ok {
		s.since = since
		return true
	}
	return q.FreshSince.Unix() < 0 // before any fix; else after all
}

// forget drops what the search holds on to.
func (s *search) forget() {
	clear(s.seen)
	clear(s.queue)
	clear(s.views)
	s.seen, s.queue, s.q = s.seen[:0], s.queue[:0], Query{}
}

func (s *search) begin(exact bool) {
	s.seen, s.around = s.seen[:0], [aroundSide * aroundSide]uint8{}
	s.exact, s.keep = exact, s.q.K
	s.near = -1
	if !exact {
		s.keep += spare
		if math.Abs(s.q.At.Lat) <= 85 {
			s.near = nearDeg
		}
	}
	const rad = math.Pi / 180
	s.w0, s.w1, s.w2 = s.origin.cos*s.origin.cos, -s.origin.cos*s.origin.sin*rad, -s.origin.cos*s.origin.cos/2*rad*rad
	s.kept, s.order, s.full = s.kept[:0], s.order[:0], false
	s.limit, s.radius = math.Inf(1), math.Inf(1)
	if s.q.Within > 0 {
		s.bound(s.within())
	}
	s.group, s.hints, s.views = s.group[:0], s.hints[:0], s.views[:0]
	s.cellDeg = s.x.lattice.edge * 180 / math.Pi
	s.see(s.x.atlas.absent)
}

// degrees is the angle of a distance.
func degrees(d Meters) float64 { return float64(d / EarthRadius * (180 / math.Pi)) }

// within is Query.Within as an h.
func (s *search) within() float64 {
	if s.exact {
		return float64(s.q.Within)
	}
	d := degrees(s.q.Within)
	return d * d * (1 + epsilon) * (1 + slackPart)
}

// bound sets the limit.
func (s *search) bound(h float64) {
	s.limit = h
	s.radius = s.angle(h)
}

// angle is an upper bound of the angle, in degrees, between places with this h.
func (s *search) angle(h float64) float64 {
	if s.exact {
		return degrees(Meters(h)) * (1 + slackPart)
	}
	return math.Sqrt(h) * (1 + epsilon)
}

// h measures the distance of a place.
func (s *search) h(lat, lng float64) float64 {
	dLat, dLng := lat-s.origin.Lat, lng-s.origin.Lng
	if math.Abs(dLat) <= s.near && math.Abs(dLng) <= s.near {
		return dLat*dLat + (s.w0+dLat*(s.w1+dLat*s.w2))*dLng*dLng
	}
	return s.far(lat, lng)
}

func (s *search) far(lat, lng float64) float64 {
	d := s.origin.distance(LatLng{Lat: lat, Lng: lng})
	if s.exact {
		return float64(d)
	}
	a := degrees(d)
	return a * a
}

// see notes a tile before it is looked at. It waits for a move that is under way there.
func (s *search) see(t *tile) {
	for spins := 0; ; spins++ {
		ended := t.ended.Load()
		if began := t.began.Load(); began == ended {
			s.seen = append(s.seen, sighting{t, began})
			return
		}
		relax(spins)
	}
}

// undisturbed tells that no driver came into or went from a cell of the tiles that were looked at.
func (s *search) undisturbed() bool {
	for _, v := range s.seen {
		if v.tile.began.Load() != v.began {
			return false
		}
	}
	return true
}

// before tells which of two candidates is the better one; in an exact search the id decides between equals.
func (s *search) before(a, b *candidate) bool {
	if a.h != b.h || !s.exact {
		return a.h < b.h
	}
	left, _ := s.x.roster.id(a.who)
	right, _ := s.x.roster.id(b.who)
	return left < right
}

// inOrder is up to how many are kept in order at once; beyond, they are put in order when they have doubled.
const inOrder = 64

// push keeps a candidate, in place of the worst when there are enough.
func (s *search) push(c *candidate) {
	if s.keep > inOrder {
		if s.kept = append(s.kept, *c); len(s.kept) >= 2*s.keep {
			s.trim()
		}
		return
	}
	i, at := len(s.order), len(s.kept)
	if at < s.keep {
		s.kept = append(s.kept, *c)
		s.order = append(s.order, ranked{})
	} else {
		i--
		if at = s.order[i].at; !s.before(c, &s.kept[at]) {
			return
		}
		s.kept[at] = *c
	}
	for ; i > 0; i-- {
		if next := s.order[i-1]; c.h > next.by || c.h == next.by && !s.before(c, &s.kept[next.at]) {
			break
		}
		s.order[i] = s.order[i-1]
	}
	s.order[i] = ranked{c.h, at}
	if len(s.kept) == s.keep {
		s.full = true
		s.bound(s.order[s.keep-1].by)
	}
}

// trim leaves the best, in order.
func (s *search) trim() {
	slices.SortFunc(s.kept, func(a, b candidate) int {
		switch {
		case s.before(&a, &b):
			return -1
		case s.before(&b, &a):
			return 1
		}
		return 0
	})
	if len(s.kept) >= s.keep {
		s.kept, s.full = s.kept[:s.keep], true
		s.bound(s.kept[s.keep-1].h)
	}
}

// finish gives the answer. settled is false when only an exact search can tell it.
func (s *search) finish(dst []Neighbor) (out []Neighbor, settled bool) {
	if s.keep > inOrder {
		s.trim()
	}
	s.rank()
	if n := len(s.ranks); !s.exact && s.full {
		if n < s.q.K {
			return dst, false
		}
		if t := degrees(Meters(s.ranks[s.q.K-1].by)); t*t*(1+epsilon)*(1+slackPart) >= s.limit {
			return dst, false
		}
	}
	for _, r := range s.ranks[:min(len(s.ranks), s.q.K)] {
		c := &s.kept[r.at]
		dst = append(dst, Neighbor{Handle: c.who, LatLng: c.at, At: time.Unix(0, c.ns).UTC(), Distance: Meters(r.by)})
	}
	return dst, true
}

// ranked is a candidate by its place in kept, with what it is ranked by: its h, or at last its distance in metres.
type ranked struct {
	by float64
	at int
}

// rank gives the candidates their distances and puts those that are near enough in order; they nearly are.
func (s *search) rank() {
	s.ranks = s.ranks[:0]
	for i := range s.kept {
		if len(s.order) > 0 {
			i = s.order[i].at
		}
		d := s.origin.distance(s.kept[i].at)
		if s.q.Within > 0 && d > s.q.Within {
			continue
		}
		r := ranked{float64(d), i}
		j := len(s.ranks)
		s.ranks = append(s.ranks, r)
		for ; j > 0 && s.ahead(r, s.ranks[j-1]); j-- {
			s.ranks[j] = s.ranks[j-1]
		}
		s.ranks[j] = r
	}
}

// ahead is the order of neighbours: nearest first, ties by id. Who has left meanwhile has no id, and comes first: it was
// there when it was found.
func (s *search) ahead(a, b ranked) bool {
	if a.by != b.by {
		return a.by < b.by
	}
	left, _ := s.x.roster.id(s.kept[a.at].who)
	right, _ := s.x.roster.id(s.kept[b.at].who)
	return left < right
}
