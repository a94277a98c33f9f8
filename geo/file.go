package geo

import "math"

// spot is a cell of a tile.
type spot struct {
	tile *tile
	cell uint32
}

func (s spot) head() *cellHead { return &s.tile.cells[s.cell] }

func (s spot) number() uint32 { return s.tile.index*tileCells + s.cell }

// holds tells that the place is surely in the cell, without H3.
func (s spot) holds(p LatLng) bool {
	const half = (tileSide - 1) / 2.0
	if !s.tile.whole {
		return false
	}
	u, v, ok := s.tile.frame.at(p)
	return ok && covers(u-float64(s.cell>>tileBits)+half, v-float64(s.cell&(tileSide-1))+half, s.tile.certain)
}

// spotAt is the cell of a place, close to a tile perhaps. It makes the tile when there is none.
func (x *Index) spotAt(near *tile, p LatLng) spot {
	if near != nil && near.whole {
		if u, v, ok := near.frame.at(p); ok {
			const half = (tileSide - 1) / 2.0
			u, v = u+half, v+half
			du, dv := round(u, v)
			cu, cv := near.u<<tileBits+du, near.v<<tileBits+dv
			// The place is on the face of near if it is in a whole tile of it.
			if covers(u-float64(du), v-float64(dv), near.certain) {
				if t := x.atlas.find(tileOf(int(near.face), cu, cv)); t != nil && t.whole {
					return spot{tile: t, cell: cellIn(cu, cv)}
				}
			}
		}
	}
	l := x.lattice
	w := vectorAt(p)
	face := l.nearest(w)
	f := &l.faces[face]
	u, v := f.at(w)
	cu, cv := round(u, v)
	if !covers(u-float64(cu), v-float64(cv), 1-l.hair(math.Acos(min(1, w.dot(f.center))))) {
		cu, cv = x.border(p, f, cu, cv)
	}
	return spot{tile: x.atlas.need(tileOf(face, cu, cv)), cell: cellIn(cu, cv)}
}

// border asks H3 for the cell of a place that is within a hair of an edge: it is the one in whose middle the middle of
// H3's cell is. (u, v) stands where that is not next to it, at the corners of the coarsest faces.
func (x *Index) border(p LatLng, f *face, u, v int32) (int32, int32) {
	x.asked.Add(2)
	cu, cv := round(f.at(vectorAt(Cell(cellAt(p, x.lattice.resolution)).Center())))
	if du, dv := cu-u, cv-v; max(du, -du, dv, -dv, du+dv, -du-dv) > 1 {
		return u, v
	}
	return cu, cv
}

// spotOf gives the cell that a locked record is in; ok is false when it is nowhere. A tile with a driver is not forgotten.
func (x *Index) spotOf(r *record) (s spot, ok bool) {
	number := r.cell.Load()
	if number == nowhere {
		return spot{}, false
	}
	return spot{tile: x.atlas.tile(number / tileCells), cell: number % tileCells}, true
}

// fileLocked puts a fix into a locked record and files that where it belongs. It says false, for its caller to try again
// without the lock, when a search has asked for calm: it may need this very record.
func (x *Index) fileLocked(h Handle, r *record, f *Fix, at int64) (done bool) {
	s, somewhere := x.spotOf(r)
	if somewhere && s.holds(f.LatLng) {
		x.stay(h, r, s, f, at)
		return true
	}
	to := x.spotAt(s.tile, f.LatLng)
	if to == s {
		x.stay(h, r, s, f, at)
		return true
	}
	return x.calm.Load() == 0 && x.move(h, r, s, to, f, at)
}

// refresh puts a fix into a locked record if the place is surely in the driver's cell, by the tile's plane. It is the way
// of most updates: no sines, no H3. The word comes last, so that the processor can ask for the memory of the next update
// while it waits for the word's.
func (x *Index) refresh(h Handle, r *record, f *Fix, at int64) (done bool) {
	number := r.cell.Load()
	if number == nowhere {
		return false
	}
	t := &x.atlas.tile(number / tileCells).plane
	const half = (tileSide - 1) / 2.0
	cu, cv := float64(number/tileSide%tileSide)-half, float64(number%tileSide)-half
	dLat, dLng := f.Lat-t.lat, f.Lng-t.lng
	east, north := dLng*t.perLng, dLat*x.lattice.perLat
	if !(math.Abs(north) <= halfSteps && math.Abs(east) <= halfSteps &&
		covers(t.uLat*dLat+t.uLng*dLng-cu, t.vLat*dLat+t.vLng*dLng-cv, t.sure)) {
		return false
	}
	r.set(f, at)
	next := uint64(h.Index())<<32 | uint64(word(north, east))
	x.rewrite(h, r, next)
	return true
}

// stay puts a fix into a locked record that does not leave its cell.
func (x *Index) stay(h Handle, r *record, s spot, f *Fix, at int64) {
	r.set(f, at)
	if s.tile.grid.ok {
		x.rewrite(h, r, uint64(h.Index())<<32|uint64(s.tile.word(f.LatLng, x.lattice.perLat)))
	}
}

// rewrite changes the word of a driver, wherever that is.
func (x *Index) rewrite(h Handle, r *record, next uint64) {
	for spins := 0; ; spins++ {
		w := x.arena.word(r.word.Load())
		old := w.Load()
		if old == next || old != noWord && wordIndex(old) == h.Index() && w.CompareAndSwap(old, next) {
			return
		}
		relax(spins) // the word moves just now
	}
}

// move puts a fix into a locked record that changes its cell; from may be nowhere. It says false when the tile of to has
// been forgotten.
func (x *Index) move(h Handle, r *record, from, to spot, f *Fix, at int64) bool {
	begin(from.tile, to.tile)
	if from.tile == nil {
		to.head().lock()
	} else {
		lockBoth(from, to)
	}
	alive := !to.tile.dead.Load()
	if alive {
		if from.tile != nil {
			x.removeLocked(from, r.word.Load())
		}
		r.set(f, at)
		r.word.Store(x.appendLocked(to, uint64(h.Index())<<32|uint64(to.tile.word(f.LatLng, x.lattice.perLat))))
		r.cell.Store(to.number())
	}
	to.head().unlock()
	if from.tile != nil {
		from.head().unlock()
	}
	end(from.tile, to.tile)
	return alive
}

// withdraw takes a locked record out of its cell: it is nowhere then.
func (x *Index) withdraw(r *record, from spot) {
	from.head().lock()
	x.removeLocked(from, r.word.Load())
	r.cell.Store(nowhere)
	from.head().unlock()
}

// begin and end enclose a move between cells. A search that sees one under way in a tile, or a new one at its end, looks
// again: else it could come by the new cell before the move and by the old one after it, and miss the driver.
func begin(from, to *tile) {
	to.began.Add(1)
	if from != nil && from != to {
		from.began.Add(1)
	}
}

func end(from, to *tile) {
	to.ended.Add(1)
	if from != nil && from != to {
		from.ended.Add(1)
	}
}

// lockBoth locks two cells in the order of their numbers.
func lockBoth(a, b spot) {
	if b.number() < a.number() {
		a, b = b, a
	}
	a.head().lock()
	b.head().lock()
}

// appendLocked adds a word to a locked cell and tells where it is.
func (x *Index) appendLocked(s spot, w uint64) uint32 {
	c, class := s.head(), int(s.tile.classes[s.cell])
	n := c.n.Load()
	switch {
	case c.first.Load() == noPiece:
		s.tile.classes[s.cell] = minClass
		c.first.Store(x.arena.get(minClass))
	case n == 1<<class:
		x.shiftLocked(s, class+1)
	}
	if n == 0 {
		s.tile.occupied.Or(1 << s.cell)
	}
	at := c.first.Load() + n
	x.arena.word(at).Store(w)
	c.n.Store(n + 1)
	return at
}

// removeLocked takes a word out of a locked cell: the last one fills the hole.
func (x *Index) removeLocked(s spot, at uint32) {
	c, class := s.head(), int(s.tile.classes[s.cell])
	n := c.n.Load() - 1
	if last := c.first.Load() + n; at != last {
		x.moveWord(last, at)
	} else {
		x.arena.word(last).Store(noWord)
	}
	c.n.Store(n)
	if n == 0 {
		s.tile.occupied.And(^(uint64(1) << s.cell))
	}
	if class > minClass && n == 1<<(class-2) {
		x.shiftLocked(s, class-1)
	}
}

// shiftLocked moves the words of a locked cell to a piece of another class.
func (x *Index) shiftLocked(s spot, class int) {
	c := s.head()
	from, to := c.first.Load(), x.arena.get(class)
	for i := range c.n.Load() {
		x.moveWord(from+i, to+i)
	}
	c.first.Store(to)
	x.arena.put(from, int(s.tile.classes[s.cell]))
	s.tile.classes[s.cell] = uint8(class)
}

// moveWord moves the word of a driver, whose fix may change meanwhile.
func (x *Index) moveWord(from, to uint32) {
	w := x.arena.word(from).Swap(noWord)
	x.arena.word(to).Store(w)
	x.roster.record(wordIndex(w)).word.Store(to)
}
