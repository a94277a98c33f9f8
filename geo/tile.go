package geo

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// A tile is 8 x 8 cells of one face, with what is needed to find a place's cell among them quickly. Tiles are made when
// a driver comes there, and forgotten when they are empty and have become many.
const (
	tileBits  = 3
	tileSide  = 1 << tileBits
	tileCells = tileSide * tileSide
)

// tileKey says which tile: the face, and the tile's first u and v divided by tileSide.
type tileKey struct {
	face int32
	u, v int32
}

func tileOf(face int, u, v int32) tileKey {
	return tileKey{face: int32(face), u: u >> tileBits, v: v >> tileBits}
}

// cellIn is the number of a cell in its tile.
func cellIn(u, v int32) uint32 {
	return uint32(u&(tileSide-1))<<tileBits | uint32(v&(tileSide-1))
}

type tile struct {
	plane // immutable, as all up to reachDeg
	tileKey
	index uint32
	// whole tells that all of the tile's cells lie within the face.
	whole bool
	// frame tells u and v where the plane does not; a place is surely in a cell up to certain.
	certain float64
	frame   frame
	grid    grid
	// middle of the tile; radius reaches from there to all that is in its cells, radians.
	middle vector
	radius float64
	// reachDeg is bound 1 of bound.go for its cells, degrees.
	reachDeg float64
	_        [64]byte // what follows is written often, and would take what precedes out of other processors' caches

	// began and ended count the moves from and to cells of this tile: they differ while one is under way.
	began, ended atomic.Uint64
	// occupied has a bit for each cell with drivers.
	occupied atomic.Uint64
	// dead tells that the tile is forgotten: no driver may come in any more. Set under the locks of all cells.
	dead  atomic.Bool
	cells [tileCells]cellHead
	// classes are of the cells' pieces. Guarded by their locks.
	classes [tileCells]uint8
}

// cellHead is one cell. seq is odd while it is locked; a search that reads the same even number before and after has
// seen the cell as it was at one instant.
type cellHead struct {
	seq   atomic.Uint32
	n     atomic.Uint32 // drivers
	first atomic.Uint32 // the piece of their words; noPiece before the first driver
	// middle is the cell's middle in the tile's grid, as in a word. Immutable.
	middle uint32
}

func (c *cellHead) lock() {
	for spins := 0; ; spins++ {
		if s := c.seq.Load(); s&1 == 0 && c.seq.CompareAndSwap(s, s+1) {
			return
		}
		relax(spins)
	}
}

// relax is what is done while another holds for some nanoseconds what is needed: nothing, but after a while, as it may be
// without a processor, let others run.
func relax(spins int) {
	if spins >= 100 {
		runtime.Gosched()
	}
}

func (c *cellHead) unlock() { c.seq.Add(1) }

// plane is all of a tile that an update within a cell reads, in 64 bytes, a cache line.
type plane struct {
	lat, lng float64 // of the tile's middle, degrees
	perLng   float64 // steps of the grid a degree
	// A place is surely in a cell when its linear u and v, from the middle of the tile, are so near to the cell's middle
	// that the overhang is at most sure; never if that is negative.
	uLat, uLng, vLat, vLng float64
	sure                   float64
}

// steps is how far a place is from the middle, in steps of the grid; perLat are the lattice's.
func (t *plane) steps(p LatLng, perLat float64) (x, y float64) {
	return (p.Lat - t.lat) * perLat, (p.Lng - t.lng) * t.perLng
}

// word tells the place so many steps from the middle, at most halfSteps each way.
func word(x, y float64) uint32 {
	return uint32(int32(x+(halfSteps+0.5)))<<16 | uint32(int32(y+(halfSteps+0.5)))&0xffff
}

// frame projects places near the middle of a tile: the face's axes turned so that the middle is at longitude 0, and moved
// so that u and v are 0 there.
type frame struct {
	lat, lng     float64 // of the middle, degrees
	sin, cos     float64 // of its latitude
	u, v, center vector
}

func newFrame(f *face, middle LatLng, u0, v0 float64) frame {
	r := frame{lat: middle.Lat, lng: middle.Lng}
	r.sin, r.cos = math.Sincos(middle.Lat * math.Pi / 180)
	sin, cos := math.Sincos(middle.Lng * math.Pi / 180)
	turn := func(a vector) vector { return vector{a[0]*cos + a[1]*sin, a[1]*cos - a[0]*sin, a[2]} }
	r.u, r.v, r.center = turn(f.u.plus(-u0, f.center)), turn(f.v.plus(-v0, f.center)), turn(f.center)
	return r
}

// toward is the middle, and north how it changes with the latitude.
func (r *frame) toward() vector { return vector{r.cos, 0, r.sin} }
func (r *frame) north() vector  { return vector{-r.sin, 0, r.cos} }

// at is face.at without the sines; ok is false for places too far away.
func (r *frame) at(p LatLng) (u, v float64, ok bool) {
	dLat, dLng := (p.Lat-r.lat)*(math.Pi/180), (p.Lng-r.lng)*(math.Pi/180)
	if !(math.Abs(dLat) <= seriesAngle && math.Abs(dLng) <= seriesAngle) {
		return 0, 0, false
	}
	sLat, cLat := smallSincos(dLat)
	sLng, cLng := smallSincos(dLng)
	cos := r.cos*cLat - r.sin*sLat
	x, y, z := cos*cLng, cos*sLng, r.sin*cLat+r.cos*sLat
	scale := 1 / (x*r.center[0] + y*r.center[1] + z*r.center[2])
	return (x*r.u[0] + y*r.u[1] + z*r.u[2]) * scale, (x*r.v[0] + y*r.v[1] + z*r.v[2]) * scale, true
}

// grid is how a tile tells places in 16 bits each way. Immutable.
type grid struct {
	// ok is false for tiles that are too large, or too near to a pole or the antimeridian: their words tell no places.
	ok               bool
	stepLat, stepLng float64 // a 65535th of the sides
	leastCos         float64 // of the latitudes in the grid
	blurDeg          float64 // how far a place may be from what its word tells
	spanLat, spanLng float64 // half its sides, degrees
}

// halfSteps is from the middle of a grid to its sides; they are of equal height in a lattice.
const halfSteps = (1<<16 - 1) / 2.0

func newGrid(middle LatLng, radius float64) grid {
	r := radius * 180 / math.Pi
	if radius > seriesAngle/4 || math.Abs(middle.Lat)+r > 85 {
		return grid{}
	}
	// No meridian within r comes nearer than asin(sin r / cos lat); the sum of angles is 8 % more at most, up to 85 degrees.
	cos := math.Cos((math.Abs(middle.Lat) + r) * math.Pi / 180)
	b := grid{spanLat: heightDeg(radius), spanLng: 1.1 * r / cos, leastCos: cos}
	if math.Abs(middle.Lng)+b.spanLng > 180 {
		return grid{}
	}
	b.ok = true
	b.stepLat, b.stepLng = b.spanLat/halfSteps, b.spanLng/halfSteps
	b.blurDeg = math.Hypot(b.stepLat, b.stepLng) * 0.51
	return b
}

// word tells a place of the tile; nothing where its grid is not ok.
func (t *tile) word(p LatLng, perLat float64) uint32 {
	if !t.grid.ok {
		return 0
	}
	return word(t.steps(p, perLat))
}

// tileRadius is from the middle of a tile to the farthest place in its cells, radians. The farthest are those at the acute
// corners, sqrt(3) times half a side away; in the plane, where all is longer.
func (l *lattice) tileRadius() float64 {
	return ((tileSide-1)/2.0*math.Sqrt(3)*l.spacing+l.edge)*(1+slackPart) + slackAngle
}

// heightDeg is half the height of the grid of a tile with a radius, degrees.
func heightDeg(radius float64) float64 { return 1.001 * radius * 180 / math.Pi }

func newTile(l *lattice, key tileKey, index uint32) *tile {
	f := &l.faces[key.face]
	t := &tile{tileKey: key, index: index}
	const half = (tileSide - 1) / 2.0
	u0, v0 := float64(key.u<<tileBits), float64(key.v<<tileBits)
	t.middle = f.place(u0+half, v0+half)
	t.radius = l.tileRadius()
	angle := math.Acos(min(1, t.middle.dot(f.center)))
	t.reachDeg = l.reach(angle-t.radius) * 180 / math.Pi
	t.whole = t.radius < seriesAngle/4 && f.inside(t.middle) > t.radius
	t.certain = 1 - l.hair(angle-t.radius)
	middle := t.middle.place()
	t.lat, t.lng = middle.Lat, middle.Lng
	t.frame = newFrame(f, middle, u0+half, v0+half)
	if t.grid = newGrid(middle, t.radius); t.grid.ok {
		t.perLng = 1 / t.grid.stepLng
	}
	t.linear(l)
	for i := range t.cells {
		p := f.place(u0+float64(i>>tileBits), v0+float64(i&(tileSide-1))).place()
		t.cells[i].first.Store(noPiece)
		t.cells[i].middle = t.word(p, l.perLat)
	}
	return t
}

// linear computes the linear u and v, and how far they can be trusted.
//
// Seen from the middle of the tile, u is g/d with g = p.(u - u0 center) and d = p.center, p being a place's vector. Along
// a way in latitude and longitude with |dLat| + |dLng| = x (radians), p changes by at most x and its slope by at most x.
// With F the length of that vector, |g| <= F x and |g'|, |g"| <= F; |d'|, |d"| <= 1, and d >= cos(A + r) =: c. So
// |(g/d)"| <= F (1/c + 2/c^2 + x/c^2 + 2x/c^3) and what the linear part leaves out is at most half of that times x^2.
// An overhang adds up to three of them.
func (t *tile) linear(l *lattice) {
	t.sure = -1
	if !t.whole || !t.grid.ok {
		return
	}
	const rad = math.Pi / 180
	r := &t.frame
	north := r.north()
	slope := func(a vector) (lat, lng float64) {
		at := 1 / r.toward().dot(r.center)
		return north.dot(a) * at * rad, r.cos * a[1] * at * rad
	}
	t.uLat, t.uLng = slope(r.u)
	t.vLat, t.vLng = slope(r.v)
	x := (t.grid.spanLat + t.grid.spanLng) * rad
	long := math.Sqrt(max(r.u.dot(r.u), r.v.dot(r.v)))
	c := math.Cos(maxFaceAngle + t.radius)
	left := long * (1/c + 2/c/c + x/c/c + 2*x/c/c/c) * x * x / 2
	t.sure = t.certain - 3*left
}

// atlas is the tiles of an index.
type atlas struct {
	lattice *lattice
	arena   *arena
	table   atomic.Pointer[tileTable] // replaced under mu
	// numbered finds tiles by their index; nil where one was forgotten. Replaced under mu.
	numbered atomic.Pointer[[]*tile]
	// absent stands for every tile that there is not. Making one counts as a move in it.
	absent *tile

	mu     sync.Mutex
	free   []uint32 // numbers of forgotten tiles
	live   int
	review int // when live gets to this, the empty tiles are forgotten
}

// minReview is how many tiles there may be without a thought; at resolution 9 they cover 6,700 km2 and take 2.5 MB.
const minReview = 1024

// tileTable finds tiles by key: open addressing with linear probing, at most half full. Tiles are only added.
type tileTable struct {
	slots []atomic.Pointer[tile]
}

func newTileTable(size int) *tileTable { return &tileTable{slots: make([]atomic.Pointer[tile], size)} }

func (k tileKey) hash() uint64 {
	h := (uint64(uint32(k.u))<<32 | uint64(uint32(k.v))) ^ uint64(k.face)<<59
	h *= 0x9E3779B97F4A7C15 // Knuth's multiplicative hashing: 2^64 divided by the golden ratio
	return h ^ h>>29
}

func (t *tileTable) find(k tileKey) *tile {
	for i := k.hash() % uint64(len(t.slots)); ; i = (i + 1) % uint64(len(t.slots)) {
		if found := t.slots[i].Load(); found == nil || found.tileKey == k {
			return found
		}
	}
}

func (t *tileTable) add(n *tile) {
	i := n.hash() % uint64(len(t.slots))
	for t.slots[i].Load() != nil {
		i = (i + 1) % uint64(len(t.slots))
	}
	t.slots[i].Store(n)
}

func newAtlas(l *lattice, words *arena) *atlas {
	a := &atlas{lattice: l, arena: words, absent: &tile{}, review: minReview}
	a.table.Store(newTileTable(64))
	a.numbered.Store(&[]*tile{})
	return a
}

// find gives a tile, or nil.
func (a *atlas) find(k tileKey) *tile { return a.table.Load().find(k) }

// tile gives the tile with a number; nil when it was forgotten.
func (a *atlas) tile(index uint32) *tile { return (*a.numbered.Load())[index] }

// need gives a tile and makes it when there is none.
func (a *atlas) need(k tileKey) *tile {
	if t := a.find(k); t != nil {
		return t
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.find(k); t != nil {
		return t
	}
	if a.live >= a.review {
		a.forgetLocked()
	}
	numbered := *a.numbered.Load()
	var t *tile
	if n := len(a.free); n > 0 {
		t = newTile(a.lattice, k, a.free[n-1])
		a.free = a.free[:n-1]
		numbered = slices.Clone(numbered)
		numbered[t.index] = t
	} else {
		t = newTile(a.lattice, k, uint32(len(numbered)))
		numbered = append(numbered, t) // readers of the shorter slice do not see it
	}
	a.numbered.Store(&numbered)
	a.live++
	table := a.table.Load()
	if 2*a.live > len(table.slots) {
		table = table.copied(2 * len(table.slots))
	}
	a.absent.began.Add(1)
	table.add(t)
	a.table.Store(table)
	a.absent.ended.Add(1)
	return t
}

// copied gives the same tiles, but the dead, in a table of another size.
func (t *tileTable) copied(size int) *tileTable {
	out := newTileTable(size)
	for i := range t.slots {
		if tile := t.slots[i].Load(); tile != nil && !tile.dead.Load() {
			out.add(tile)
		}
	}
	return out
}

// forgetLocked forgets the empty tiles. Those who are on their way into one find it dead and come again.
func (a *atlas) forgetLocked() {
	numbered := slices.Clone(*a.numbered.Load())
	for i, t := range numbered {
		if t == nil || !t.die() {
			continue
		}
		for c := range t.cells {
			if first := t.cells[c].first.Load(); first != noPiece {
				a.arena.put(first, minClass)
			}
		}
		numbered[i] = nil
		a.free = append(a.free, t.index)
		a.live--
	}
	table := a.table.Load()
	a.table.Store(table.copied(len(table.slots)))
	a.numbered.Store(&numbered)
	a.review = max(minReview, 2*a.live)
}

// die marks the tile dead if it is empty.
func (t *tile) die() bool {
	if t.occupied.Load() != 0 {
		return false
	}
	empty := true
	for i := range t.cells {
		t.cells[i].lock()
		empty = empty && t.cells[i].n.Load() == 0
	}
	t.dead.Store(empty)
	for i := range t.cells {
		t.cells[i].unlock()
	}
	return empty
}
