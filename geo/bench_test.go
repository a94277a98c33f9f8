package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The fleets of docs/bench/index.md: 30 x 30 km, 80 % of the drivers in 40 clusters of Zipf-weighted size (sigma 0.4 to
// 2.5 km), 20 % anywhere; queries from the same distribution; a move is a random driver going 8 to 12 m on along its
// heading. Fleets are made once and stay, so that a run of each benchmark takes seconds.

func fleetSizes() []int { return []int{10_000, 100_000, 1_000_000} }

// city draws places of the distribution.
type city struct {
	r        *rand.Rand
	clusters []cluster
	total    float64
}

type cluster struct {
	center        LatLng
	sigma, weight float64
}

func citySouthWest() LatLng { return LatLng{37.6, -122.55} }

const citySide = 30_000

func newCity(seed uint64) *city {
	c := &city{r: rand.New(rand.NewPCG(6, seed)), clusters: make([]cluster, 40)}
	for i := range c.clusters {
		c.clusters[i] = cluster{center: c.uniform(), sigma: 400 + 2100*c.r.Float64(), weight: 1 / float64(i+1)}
		c.total += c.clusters[i].weight
	}
	return c
}

func offset(p LatLng, north, east float64) LatLng {
	const degree = 111_195 // metres
	return LatLng{Lat: p.Lat + north/degree, Lng: p.Lng + east/degree/math.Cos(37.735*math.Pi/180)}
}

func (c *city) uniform() LatLng {
	return offset(citySouthWest(), citySide*c.r.Float64(), citySide*c.r.Float64())
}

func (c *city) place() LatLng {
	if c.r.Float64() < 0.2 {
		return c.uniform()
	}
	for {
		w, i := c.r.Float64()*c.total, 0
		for w > c.clusters[i].weight && i < len(c.clusters)-1 {
			w -= c.clusters[i].weight
			i++
		}
		p := offset(c.clusters[i].center, c.clusters[i].sigma*c.r.NormFloat64(), c.clusters[i].sigma*c.r.NormFloat64())
		if sw, ne := citySouthWest(), offset(citySouthWest(), citySide, citySide); p.Lat >= sw.Lat && p.Lat <= ne.Lat && p.Lng >= sw.Lng && p.Lng <= ne.Lng {
			return p
		}
	}
}

// scene is a fleet with its moves. The moves end where they begin: first there, then all the way back.
type scene struct {
	places  []LatLng
	moves   []move
	queries []LatLng
}

type move struct {
	driver   uint32
	from, to LatLng
}

func newScene(n int) *scene {
	c := newCity(1)
	s := &scene{places: make([]LatLng, n), queries: make([]LatLng, 1<<16)}
	headings := make([]float64, n)
	for i := range s.places {
		s.places[i], headings[i] = c.place(), 2*math.Pi*c.r.Float64()
	}
	for i := range s.queries {
		s.queries[i] = c.place()
	}
	now := slices.Clone(s.places)
	for range max(1<<19, n/2) {
		d := uint32(c.r.IntN(n))
		headings[d] += 0.2 * c.r.NormFloat64()
		sin, cos := math.Sincos(headings[d])
		step := 8 + 4*c.r.Float64()
		to := offset(now[d], step*cos, step*sin)
		s.moves = append(s.moves, move{d, now[d], to})
		now[d] = to
	}
	for i := len(s.moves) - 1; i >= 0; i-- {
		m := s.moves[i]
		s.moves = append(s.moves, move{m.driver, m.to, m.from})
	}
	return s
}

// ours is the index as a peer; its clock ticks with each move.
type ours struct {
	x   *Index
	now int64
	dst []Neighbor
}

func newOurs(n, resolution int) *ours {
	o := &ours{x: NewIndex(resolution), now: epoch.UnixNano()}
	for i := range n {
		// Like a session, which has its handle at hand, a move knows it: joined in order, handles can be told.
		if o.x.Join(driverID(i)) != newHandle(uint32(i), 1) {
			panic("handles are not dense")
		}
	}
	return o
}

func driverID(i int) string { return fmt.Sprintf("driver:%07d", i) }

func (o *ours) move(d uint32, _, to LatLng) {
	o.now++
	o.x.Update(newHandle(d, 1), Fix{LatLng: to, At: time.Unix(0, o.now), HeadingDeg: 1, SpeedMps: 2, AccuracyM: 3})
}

func (o *ours) nearest(q LatLng, k int) int {
	o.dst = o.x.NearestInto(o.dst, Query{At: q, K: k, FreshSince: epoch})
	return len(o.dst)
}

// bench keeps what benchmarks share.
type bench struct {
	mu     sync.Mutex
	scenes map[int]*scene
	peers  map[string]peer
	bytes  map[string]float64 // a driver, with what ids cost beside their letters
}

var benches = bench{scenes: map[int]*scene{}, peers: map[string]peer{}, bytes: map[string]float64{}}

func (b *bench) scene(n int) *scene {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.scenes[n] == nil {
		b.scenes[n] = newScene(n)
	}
	return b.scenes[n]
}

func (b *bench) peer(kind string, n int) (peer, float64) {
	s := b.scene(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	key := fmt.Sprint(kind, n)
	if b.peers[key] == nil {
		before := heap()
		p := newPeer(kind, n)
		for i, at := range s.places {
			p.move(uint32(i), LatLng{}, at)
		}
		b.peers[key], b.bytes[key] = p, float64(heap()-before)/float64(n)
		if kind == "hexfleet" {
			b.bytes[key] -= 16 // the letters of driverID
		}
	}
	return b.peers[key], b.bytes[key]
}

// newPeer makes an index for n drivers, with cells of the size that serves it best.
func newPeer(kind string, n int) peer {
	large := n > 500_000
	switch kind {
	case "hexfleet":
		if large {
			return newOurs(n, 10)
		}
		return newOurs(n, 9)
	case "rtree":
		return &rtreePeer{}
	case "geohash":
		g := &geohashPeer{mapPeer: newMapPeer(n), bits: 34}
		if large {
			g.bits = 38
		}
		return g
	case "h3":
		h := &h3Peer{mapPeer: newMapPeer(n), resolution: 9}
		if large {
			h.resolution = 10
		}
		return h
	}
	panic(kind)
}

func peerKinds() []string { return []string{"hexfleet", "rtree", "geohash", "h3"} }

func BenchmarkIndexUpdate(b *testing.B) {
	for _, n := range fleetSizes() {
		for _, kind := range peerKinds() {
			b.Run(fmt.Sprintf("drivers=%d/%s", n, kind), func(b *testing.B) {
				s := benches.scene(n)
				p, each := benches.peer(kind, n)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					m := &s.moves[i]
					p.move(m.driver, m.from, m.to)
					if i++; i == len(s.moves) {
						i = 0
					}
				}
				b.ReportMetric(each, "B/driver")
				back(s, p, i)
			})
		}
	}
}

// back undoes the first i moves of a round, so that the next benchmark finds the fleet where it was.
func back(s *scene, p peer, i int) {
	for i--; i >= 0; i-- {
		p.move(s.moves[i].driver, s.moves[i].to, s.moves[i].from)
	}
}

func BenchmarkIndexNearest(b *testing.B) {
	const k = 16
	for _, n := range fleetSizes() {
		for _, kind := range peerKinds() {
			b.Run(fmt.Sprintf("drivers=%d/k=%d/%s", n, k, kind), func(b *testing.B) {
				s := benches.scene(n)
				p, _ := benches.peer(kind, n)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if got := p.nearest(s.queries[i&(1<<16-1)], k); got != k {
						b.Fatalf("%d neighbours", got)
					}
					i++
				}
				var took []time.Duration
				for _, q := range s.queries[:min(20*b.N, 20_000)] {
					began := time.Now()
					p.nearest(q, k)
					took = append(took, time.Since(began))
				}
				report(b, "", took)
			})
		}
	}
}

// BenchmarkIndexMixed is 100,000 updates a second, sent in batches of 100 each millisecond, while the benchmark queries.
func BenchmarkIndexMixed(b *testing.B) {
	const batch = 100
	for _, n := range fleetSizes() {
		b.Run(fmt.Sprintf("drivers=%d/k=16", n), func(b *testing.B) {
			s := benches.scene(n)
			p, _ := benches.peer("hexfleet", n)
			o := p.(*ours)
			stop, done := make(chan struct{}), make(chan struct{})
			var updates []time.Duration
			sent, began := 0, time.Now()
			go func() {
				defer close(done)
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
					}
					// As many as are due: a ticker drops ticks on a busy machine.
					for due := int(time.Since(began) / (time.Millisecond / batch)); sent < due; sent++ {
						m := &s.moves[sent%len(s.moves)]
						at := time.Now()
						o.move(m.driver, m.from, m.to)
						updates = append(updates, time.Since(at))
					}
				}
			}()
			var dst []Neighbor
			var queries []time.Duration
			i := 0
			for b.Loop() {
				at := time.Now()
				dst = o.x.NearestInto(dst, Query{At: s.queries[i&(1<<16-1)], K: 16, FreshSince: epoch})
				queries = append(queries, time.Since(at))
				i++
			}
			close(stop)
			<-done
			b.ReportMetric(float64(sent)/time.Since(began).Seconds(), "updates/s")
			report(b, "query-", queries)
			report(b, "update-", updates)
			back(s, o, sent%len(s.moves))
		})
	}
}

// BenchmarkIndexParallel is nine updates to a query in as many goroutines as there are processors: run it with -cpu 1,2.
// Each goroutine moves drivers of its own, so that no update is refused for a newer one; refused ones are counted.
func BenchmarkIndexParallel(b *testing.B) {
	for _, n := range fleetSizes() {
		b.Run(fmt.Sprintf("drivers=%d/k=16", n), func(b *testing.B) {
			s := benches.scene(n)
			p, _ := benches.peer("hexfleet", n)
			o := p.(*ours)
			parts := make([][]move, runtime.GOMAXPROCS(0))
			for _, m := range s.moves {
				g := int(m.driver) % len(parts)
				parts[g] = append(parts[g], m)
			}
			var next, refused atomic.Int64
			began := o.now
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				g := int(next.Add(1)) - 1
				moves, now, i, no := parts[g], began, 0, int64(0)
				var dst []Neighbor
				for turn := 1; pb.Next(); turn++ {
					if turn%10 == 0 {
						dst = o.x.NearestInto(dst, Query{At: s.queries[(turn+g*7919)&(1<<16-1)], K: 16, FreshSince: epoch})
						continue
					}
					m := &moves[i]
					if i++; i == len(moves) {
						i = 0
					}
					now++
					if !o.x.Update(newHandle(m.driver, 1), Fix{LatLng: m.to, At: time.Unix(0, now), HeadingDeg: 1, SpeedMps: 2, AccuracyM: 3}) {
						no++
					}
				}
				refused.Add(no)
			})
			b.StopTimer()
			b.ReportMetric(float64(refused.Load()), "refused")
			o.now += int64(b.N)
			for i, p := range s.places {
				o.move(uint32(i), LatLng{}, p)
			}
		})
	}
}

// report tells the median and the 99th percentile.
func report(b *testing.B, what string, took []time.Duration) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), what+"p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), what+"p99-ns")
}
