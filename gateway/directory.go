package gateway

import (
	"slices"
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
)

// directory finds the sessions that an event may concern. It only proposes: whether a session may have the
// event, and whether it has had it, is judged by its delivery at the moment it is sent.
type directory struct {
	mu      sync.RWMutex
	drivers map[dispatch.DriverID]*session  // guarded by mu; the newest of each
	riders  map[dispatch.RiderID][]*session // guarded by mu
	// following are the sessions that are told an order for another reason than being its rider: a watch,
	// or being its driver. Guarded by mu.
	following map[dispatch.OrderID][]*session
}

func newDirectory() *directory {
	return &directory{
		drivers:   map[dispatch.DriverID]*session{},
		riders:    map[dispatch.RiderID][]*session{},
		following: map[dispatch.OrderID][]*session{},
	}
}

// enter adds a session. A driver's session takes the place of its older one, which is given.
func (d *directory) enter(s *session, by dispatch.Actor) (older *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch by.Role {
	case dispatch.RoleDriver:
		id := dispatch.DriverID(by.Sub)
		older = d.drivers[id]
		d.drivers[id] = s
	case dispatch.RoleRider:
		id := dispatch.RiderID(by.Sub)
		d.riders[id] = append(d.riders[id], s)
	}
	return older
}

// leave removes a session and the orders it follows.
func (d *directory) leave(s *session, by dispatch.Actor, follows []dispatch.OrderID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch by.Role {
	case dispatch.RoleDriver:
		if id := dispatch.DriverID(by.Sub); d.drivers[id] == s {
			delete(d.drivers, id)
		}
	case dispatch.RoleRider:
		without(d.riders, dispatch.RiderID(by.Sub), s)
	}
	for _, id := range follows {
		without(d.following, id, s)
	}
}

// follow has the session told of an order's events.
func (d *directory) follow(id dispatch.OrderID, s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.following[id], s) {
		d.following[id] = append(d.following[id], s)
	}
}

// unfollow ends it.
func (d *directory) unfollow(id dispatch.OrderID, s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	without(d.following, id, s)
}

// driver gives the session of a driver, nil when it has none here.
func (d *directory) driver(id dispatch.DriverID) *session {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.drivers[id]
}

// rider appends the sessions of a rider to buf.
func (d *directory) rider(id dispatch.RiderID, buf []*session) []*session {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return append(buf, d.riders[id]...)
}

// concerned appends to buf the sessions that an order event may concern; some may stand there twice.
func (d *directory) concerned(e *dispatch.Event, buf []*session) []*session {
	d.mu.RLock()
	defer d.mu.RUnlock()
	buf = append(buf, d.riders[e.Order.Rider]...)
	if s := d.drivers[e.Order.Driver]; s != nil {
		buf = append(buf, s)
	}
	if s := d.drivers[e.Driver]; s != nil && e.Driver != e.Order.Driver {
		buf = append(buf, s)
	}
	return append(buf, d.following[e.Order.ID]...)
}

// without takes s out of a map of lists; empty lists go.
func without[K comparable](m map[K][]*session, key K, s *session) {
	list := slices.DeleteFunc(m[key], func(other *session) bool { return other == s })
	if len(list) == 0 {
		delete(m, key)
		return
	}
	m[key] = list
}
