package node

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// demand counts drivers and orders by cell as things happen: nothing is scanned, what time alone changes is found by
// its second. At every instant it equals a count of the fleet and the index.
//
// Safe for concurrent use. It is told of drivers and orders by the fleet, under the fleet's lock, and of positions
// by those who take them, under the sighting's.
type demand struct {
	mu     sync.Mutex
	book   *geo.CellBook      // guarded by mu, as all that follows
	cells  map[geo.Cell]*tile // none of them empty
	units  map[dispatch.DriverID]*unit
	orders map[dispatch.OrderID]request // those that are open
	// seconds holds the units by the second of their fix, each as the first of a list. Fixes before stale do not
	// count.
	seconds map[int64]*unit
	stale   time.Time
	// created are the orders asked for in the longer window, oldest first; those before recent are out of the
	// shorter one.
	created []creation
	recent  int
}

// The windows of market time over which new orders are counted.
const (
	shortWindow = 5 * time.Minute
	longWindow  = 15 * time.Minute
)

// tile is what one cell holds.
type tile struct {
	center                                              geo.LatLng
	available, busy, open, waiting, created5, created15 int
}

// column is where a unit counts.
type column uint8

const (
	nowhere column = iota
	available
	busy
)

// unit is one driver of the fleet. Guarded by demand.mu.
type unit struct {
	state dispatch.DriverState
	seen  *sighting
	// at is when the last fix was, zero before the first; cell where.
	at   time.Time
	cell geo.Cell
	// before and after are its neighbours in the list of its second.
	before, after *unit
	// counted and in are where it counts at present: in the cell in, unless counted is nowhere.
	counted column
	in      geo.Cell
}

// request is one open order.
type request struct {
	pickup  geo.LatLng
	cell    geo.Cell
	waiting bool
}

// creation is one order that was asked for.
type creation struct {
	order dispatch.OrderID
	at    time.Time
	cell  geo.Cell
}

func newDemand() *demand {
	return &demand{
		book: geo.NewCellBook(dispatch.SupplyResolution), cells: map[geo.Cell]*tile{}, units: map[dispatch.DriverID]*unit{}, orders: map[dispatch.OrderID]request{},
		seconds: map[int64]*unit{},
	}
}

// driver takes what a driver of the fleet does now.
func (d *demand) driver(id dispatch.DriverID, state dispatch.DriverState, seen *sighting) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, known := d.units[id]
	if !known {
		u = &unit{}
		d.units[id] = u
	}
	u.state, u.seen = state, seen
	d.countLocked(u)
}

// left forgets a driver.
func (d *demand) left(id dispatch.DriverID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, known := d.units[id]
	if !known {
		return
	}
	delete(d.units, id)
	d.datedLocked(u, time.Time{})
	d.countLocked(u)
}

// moved takes a fix that is newer than the one before.
func (d *demand) moved(id dispatch.DriverID, f *geo.Fix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, known := d.units[id]
	if !known {
		return
	}
	u.cell, _ = d.book.At(f.LatLng)
	d.datedLocked(u, f.At)
	d.countLocked(u)
}

// doubted looks again at a driver that is, or is no longer, in doubt.
func (d *demand) doubted(id dispatch.DriverID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u, known := d.units[id]; known {
		d.countLocked(u)
	}
}

// order takes an order as it stands now.
func (d *demand) order(o *dispatch.Order) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.orderLocked(o)
}

// asked takes an order that is new.
func (d *demand) asked(o *dispatch.Order) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.askedLocked(o)
}

// recovered takes the orders that are open in the journal. Those it has not heard of are new, at their time.
func (d *demand) recovered(orders []dispatch.Order) {
	d.mu.Lock()
	defer d.mu.Unlock()
	over := maps.Clone(d.orders)
	for i := range orders {
		delete(over, orders[i].ID)
	}
	for id, r := range over {
		d.closeLocked(id, r)
	}
	heard := map[dispatch.OrderID]bool{}
	for _, c := range d.created {
		heard[c.order] = true
	}
	for i := range orders {
		if o := &orders[i]; !heard[o.ID] {
			d.askedLocked(o)
		}
		d.orderLocked(&orders[i])
	}
}

func (d *demand) orderLocked(o *dispatch.Order) {
	old, known := d.orders[o.ID]
	if known {
		d.closeLocked(o.ID, old)
	}
	if o.State.Closed() || len(o.Stops) == 0 { // without stops: its places were erased
		return
	}
	r := request{o.Pickup(), old.cell, o.State == dispatch.StateSearching || o.State == dispatch.StateOffered}
	if !known || r.pickup != old.pickup {
		r.cell, _ = d.book.At(r.pickup)
	}
	d.orders[o.ID] = r
	d.addLocked(r.cell, tile{open: 1, waiting: one(r.waiting)})
}

func (d *demand) closeLocked(id dispatch.OrderID, r request) {
	delete(d.orders, id)
	d.addLocked(r.cell, tile{open: -1, waiting: -one(r.waiting)})
}

func (d *demand) askedLocked(o *dispatch.Order) {
	if len(o.Stops) == 0 {
		return
	}
	cell, _ := d.book.At(o.Pickup())
	i := len(d.created) // mostly: market time does not go back
	for i > 0 && d.created[i-1].at.After(o.RequestedAt) {
		i--
	}
	d.created = slices.Insert(d.created, i, creation{o.ID, o.RequestedAt, cell})
	if i < d.recent {
		d.recent++
		d.addLocked(cell, tile{created15: 1})
		return
	}
	d.addLocked(cell, tile{created5: 1, created15: 1})
}

// datedLocked files a unit by the instant of its fix; zero takes it out.
func (d *demand) datedLocked(u *unit, at time.Time) {
	was, is := u.at, at
	u.at = at
	if !was.IsZero() && !is.IsZero() && was.Unix() == is.Unix() {
		return
	}
	if !was.IsZero() {
		d.unlinkLocked(u, was.Unix())
	}
	if !is.IsZero() {
		u.after = d.seconds[is.Unix()]
		if u.after != nil {
			u.after.before = u
		}
		d.seconds[is.Unix()] = u
	}
}

func (d *demand) unlinkLocked(u *unit, second int64) {
	switch {
	case u.before != nil:
		u.before.after = u.after
	case u.after != nil:
		d.seconds[second] = u.after
	default:
		delete(d.seconds, second)
	}
	if u.after != nil {
		u.after.before = u.before
	}
	u.before, u.after = nil, nil
}

// countLocked has a unit count where it belongs.
func (d *demand) countLocked(u *unit) {
	belongs := u.column(d.stale)
	if belongs == u.counted && (u.cell == u.in || belongs == nowhere) {
		return
	}
	d.addLocked(u.in, u.counted.tile(-1))
	d.addLocked(u.cell, belongs.tile(1))
	u.counted, u.in = belongs, u.cell
}

// column is where a unit counts when fixes before stale do not.
func (u *unit) column(stale time.Time) column {
	switch {
	case u.at.IsZero() || u.at.Before(stale):
		return nowhere
	case u.state == dispatch.DriverAvailable && !u.seen.doubted.Load():
		return available
	case u.state == dispatch.DriverReserved || u.state == dispatch.DriverOnTrip || u.state == dispatch.DriverStopped:
		return busy
	}
	return nowhere
}

func (c column) tile(n int) (t tile) {
	switch c {
	case available:
		t.available = n
	case busy:
		t.busy = n
	}
	return t
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// addLocked changes the counts of a cell.
func (d *demand) addLocked(c geo.Cell, by tile) {
	if by == (tile{}) {
		return
	}
	t := d.cells[c]
	if t == nil {
		t = &tile{center: c.Center()}
		d.cells[c] = t
	}
	t.available += by.available
	t.busy += by.busy
	t.open += by.open
	t.waiting += by.waiting
	t.created5 += by.created5
	t.created15 += by.created15
	if *t == (tile{center: t.center}) {
		delete(d.cells, c)
	}
}

// passLocked lets time pass: to the instant now, with fixes older than freshness out of date.
func (d *demand) passLocked(now time.Time, freshness time.Duration) {
	from, to := d.stale, now.Add(-freshness)
	d.stale = to
	if from.After(to) { // the policy has changed
		from, to = to, from
	}
	if first, last := from.Unix(), to.Unix(); last-first < int64(len(d.seconds)) {
		for s := first; s <= last; s++ {
			d.lookLocked(s)
		}
	} else {
		for s := range d.seconds {
			if s >= first && s <= last {
				d.lookLocked(s)
			}
		}
	}
	for d.recent < len(d.created) && d.created[d.recent].at.Before(now.Add(-shortWindow)) {
		d.addLocked(d.created[d.recent].cell, tile{created5: -1})
		d.recent++
	}
	over := 0
	for over < d.recent && d.created[over].at.Before(now.Add(-longWindow)) {
		d.addLocked(d.created[over].cell, tile{created15: -1})
		over++
	}
	d.created = slices.Delete(d.created, 0, over)
	d.recent -= over
}

// lookLocked looks again at those whose fix is of one second.
func (d *demand) lookLocked(second int64) {
	for u := d.seconds[second]; u != nil; u = u.after {
		d.countLocked(u)
	}
}

// told gives the cells as they are at the instant now, ascending.
func (d *demand) told(now time.Time, freshness time.Duration, zones *geo.Zones) []dispatch.SupplyCell {
	d.mu.Lock()
	d.passLocked(now, freshness)
	out := make([]dispatch.SupplyCell, 0, len(d.cells))
	centers := make(map[geo.Cell]geo.LatLng, len(d.cells))
	for c, t := range d.cells {
		out = append(out, dispatch.SupplyCell{
			Cell: c, Available: t.available, Busy: t.busy, Open: t.open, Waiting: t.waiting,
			Created5: t.created5, Created15: t.created15,
		})
		centers[c] = t.center
	}
	d.mu.Unlock()
	slices.SortFunc(out, func(a, b dispatch.SupplyCell) int { return cmp.Compare(a.Cell, b.Cell) })
	for i := range out {
		out[i].Multiplier = zones.Multiplier(centers[out[i].Cell])
	}
	return out
}
