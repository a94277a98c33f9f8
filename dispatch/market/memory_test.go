package market

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// memory is a journal of one market in memory: the rules of store.Journal and the constraints of its
// backends, so that a core that breaks the law is refused here as it would be there.
type memory struct {
	mu sync.Mutex
	rows
}

// rows is what memory holds; maps are replaced by a commit, never written in place.
type rows struct {
	lease   dispatch.Lease
	seq     int64
	at      time.Time
	orders  map[dispatch.OrderID]dispatch.Order
	offers  map[dispatch.OfferID]dispatch.Offer
	duties  map[dispatch.DriverID]dispatch.Duty
	answers map[subKey]dispatch.Answer
	// versions holds an order as it stood after each version.
	versions map[orderVersion]dispatch.Order
	events   []dispatch.Event
}

type orderVersion struct {
	id      dispatch.OrderID
	version int64
}

func newMemory(m dispatch.MarketID) *memory {
	return &memory{rows: rows{
		lease:    dispatch.Lease{Market: m},
		orders:   map[dispatch.OrderID]dispatch.Order{},
		offers:   map[dispatch.OfferID]dispatch.Offer{},
		duties:   map[dispatch.DriverID]dispatch.Duty{},
		answers:  map[subKey]dispatch.Answer{},
		versions: map[orderVersion]dispatch.Order{},
	}}
}

// Lead implements Journal.
func (j *memory) Lead(context.Context, dispatch.MarketID) (dispatch.Lease, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lease.Epoch++
	return j.lease, nil
}

// Recover implements Journal.
func (j *memory) Recover(context.Context, dispatch.MarketID) (dispatch.Recovery, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r := dispatch.Recovery{Seq: j.seq, At: j.at}
	working := map[dispatch.DriverID]bool{}
	for _, o := range j.orders {
		if !o.State.Closed() {
			r.Orders = append(r.Orders, ownOrder(o))
			working[o.Driver] = true
		}
	}
	for _, f := range j.offers {
		if f.State == dispatch.OfferLive {
			r.Offers = append(r.Offers, f)
		}
	}
	for _, d := range j.duties {
		if d.Online || working[d.Driver] {
			d.Tags = slices.Clone(d.Tags)
			r.Duties = append(r.Duties, d)
		}
	}
	slices.SortFunc(r.Orders, func(a, b dispatch.Order) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(r.Offers, func(a, b dispatch.Offer) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(r.Duties, func(a, b dispatch.Duty) int { return cmp.Compare(a.Driver, b.Driver) })
	return r, nil
}

// Commit implements Journal.
func (j *memory) Commit(_ context.Context, b *dispatch.Batch) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b.Market != j.lease.Market || b.Epoch != j.lease.Epoch || b.Batch != j.lease.Batch {
		return dispatch.ErrFenced
	}
	if b.Empty() && !b.At.Before(j.at) { // nothing that could break a rule
		j.at, j.lease.Last = b.At, b.Epoch
		j.lease.Batch++
		return nil
	}
	next := j.rows
	next.orders, next.offers = maps.Clone(j.orders), maps.Clone(j.offers)
	next.duties, next.answers = maps.Clone(j.duties), maps.Clone(j.answers)
	next.versions = maps.Clone(j.versions)
	if err := next.write(b); err != nil {
		return fmt.Errorf("%w: %w", dispatch.ErrRefused, err)
	}
	next.lease.Batch++
	next.lease.Last = b.Epoch
	j.rows = next
	return nil
}

func (r *rows) write(b *dispatch.Batch) error {
	if b.At.Before(r.at) {
		return fmt.Errorf("time goes back from %v to %v", r.at, b.At)
	}
	for _, e := range b.Events {
		if e.Seq != r.seq+1 || e.Market != b.Market {
			return fmt.Errorf("event %d of %s follows %d", e.Seq, e.Market, r.seq)
		}
		if e.At.Before(r.at) || e.At.After(b.At) {
			return fmt.Errorf("event %d is of %v, between %v and %v", e.Seq, e.At, r.at, b.At)
		}
		if (e.Order == nil) == (e.Duty == nil) {
			return fmt.Errorf("event %d tells of an order or of a duty", e.Seq)
		}
		write := r.writeOrder
		if e.Duty != nil {
			write = r.writeDuty
		}
		if err := write(&e); err != nil {
			return fmt.Errorf("event %d, %s: %w", e.Seq, e.Type, err)
		}
		r.seq, r.at = e.Seq, e.At
		r.events = append(slices.Clip(r.events), e)
	}
	r.at = b.At
	for _, f := range b.Offers {
		if old, ok := r.offers[f.ID]; ok && old.State != dispatch.OfferLive {
			return fmt.Errorf("offer %s was %s and is written as %s", f.ID, old.State, f.State)
		}
		if (f.State == dispatch.OfferLive) != f.EndedAt.IsZero() {
			return fmt.Errorf("offer %s is %s and ended at %v", f.ID, f.State, f.EndedAt)
		}
		r.offers[f.ID] = f
	}
	for _, a := range b.Answers {
		id := subKey{a.Sub, a.Key.ID}
		if _, ok := r.answers[id]; ok || a.Key.ID == "" {
			return fmt.Errorf("key %q of %s is answered twice", a.Key.ID, a.Sub)
		}
		r.answers[id] = a
	}
	return r.check()
}

func (r *rows) writeOrder(e *dispatch.Event) error {
	o, was := ownOrder(*e.Order), r.orders[e.Order.ID]
	if o.Version != was.Version+1 || e.Version != o.Version || o.Market != e.Market {
		return fmt.Errorf("version %d (event %d) follows %d", o.Version, e.Version, was.Version)
	}
	if e.From != was.State || e.To != o.State {
		return fmt.Errorf("%s to %s, but the order went from %s to %s", e.From, e.To, was.State, o.State)
	}
	if e.Type == dispatch.EventOrderEdited {
		if e.From != e.To || e.From.Closed() {
			return fmt.Errorf("edited from %s to %s", e.From, e.To)
		}
	} else if e.Type != dispatch.Entered(e.To) || !dispatch.May(e.By.Role, e.From, e.To) {
		return fmt.Errorf("%s may not go from %s to %s", e.By.Role, e.From, e.To)
	}
	if (o.CancelledBy != "") != (o.State == dispatch.StateCancelled) {
		return fmt.Errorf("%s, cancelled by %q", o.State, o.CancelledBy)
	}
	if o.State.Assigned() && o.Driver == "" || !o.State.Assigned() && !o.State.Closed() && o.Driver != "" {
		return fmt.Errorf("%s with driver %q", o.State, o.Driver)
	}
	if o.Driver != was.Driver && o.Driver != "" && r.held(o.Driver) >= r.duties[o.Driver].Capacity {
		return fmt.Errorf("driver %s is given more than its capacity", o.Driver)
	}
	r.orders[o.ID] = o
	r.versions[orderVersion{o.ID, o.Version}] = o
	return nil
}

// held counts the open orders of a driver.
func (r *rows) held(d dispatch.DriverID) int {
	n := 0
	for _, o := range r.orders {
		if o.Driver == d && !o.State.Closed() {
			n++
		}
	}
	return n
}

func (r *rows) writeDuty(e *dispatch.Event) error {
	d, was := *e.Duty, r.duties[e.Duty.Driver]
	if d.Version != was.Version+1 || e.Version != d.Version || d.Market != e.Market || e.Driver != d.Driver {
		return fmt.Errorf("version %d (event %d) of %s follows %d", d.Version, e.Version, d.Driver, was.Version)
	}
	if d.Online != (e.Type == dispatch.EventDriverOnline) || d.Capacity < 1 {
		return fmt.Errorf("duty is online=%t with capacity %d", d.Online, d.Capacity)
	}
	if !d.Online && !was.Online {
		return fmt.Errorf("%s goes off duty twice", d.Driver)
	}
	d.Tags = slices.Clone(d.Tags)
	r.duties[d.Driver] = d
	return nil
}

// check finds what is wrong with the rows after a commit, whatever led there.
func (r *rows) check() error {
	holds, lives := map[dispatch.DriverID]dispatch.OfferID{}, map[dispatch.OrderID]int{}
	for _, f := range r.offers {
		if f.State != dispatch.OfferLive {
			continue
		}
		if other, ok := holds[f.Driver]; ok {
			return fmt.Errorf("driver %s holds two live offers: %s and %s", f.Driver, other, f.ID)
		}
		holds[f.Driver] = f.ID
		lives[f.Order]++
		if d := r.duties[f.Driver]; !d.Online || r.held(f.Driver) >= d.Capacity {
			return fmt.Errorf("driver %s holds a live offer, off duty or without room", f.Driver)
		}
		if o := r.orders[f.Order]; o.State != dispatch.StateOffered && o.State != dispatch.StateEnRouteToPickup || o.VehicleClass != r.duties[f.Driver].VehicleClass {
			return fmt.Errorf("offer %s lives for %s, an order that is %s", f.ID, f.Order, o.State)
		}
	}
	for _, o := range r.orders {
		if o.State == dispatch.StateOffered && lives[o.ID] == 0 {
			return fmt.Errorf("order %s is offered without a live offer", o.ID)
		}
	}
	return nil
}

// known is what an asker's goroutine reads for a command before it queues it.
func (j *memory) known(c *dispatch.Command) Known {
	j.mu.Lock()
	defer j.mu.Unlock()
	var k Known
	if f, ok := j.offers[c.Offer]; ok {
		k.Offer = &f
		if o, ok := j.orders[f.Order]; ok {
			o = ownOrder(o)
			k.Order = &o
		}
	}
	if o, ok := j.orders[c.Order]; ok {
		o = ownOrder(o)
		k.Order = &o
	}
	if c.Duty != nil && c.Duty.Online {
		k.Claim = &dispatch.Claim{Version: j.duties[c.Driver].Version}
	}
	return k
}

// ownOrder copies an order with its slices, so that a core that writes into what it gave out is found out.
func ownOrder(o dispatch.Order) dispatch.Order {
	o.Stops, o.Bars = slices.Clone(o.Stops), slices.Clone(o.Bars)
	return o
}
