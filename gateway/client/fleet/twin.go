package fleet

import (
	"errors"
	"time"

	"github.com/hexfleet/hexfleet/gateway/client"
)

// replacedWithin is how long the first device of a driver may stay connected when a second one has logged in,
// wall time; the lag of the network comes on top.
const replacedWithin = 2 * time.Second

// twins sets when the second device of a driver logs in: at any time while orders are placed.
func (d *driver) twins() {
	if d.yields = d.rng.Float64() < d.fleet.cfg.Network.Twins; !d.yields {
		return
	}
	f := d.fleet
	at := f.start.Add(time.Duration(d.rng.Float64() * float64(f.cfg.Plan.Length)))
	d.wheel.set(newAlarm(d.twin), at)
}

// twin logs in on a second device, which goes on with what the server tells it. The first one is to be closed
// by the server and stays away.
func (d *driver) twin() {
	f := d.fleet
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.client == nil || !d.party.online() {
		return // there is nothing to replace
	}
	first, replaced := d.client, d.party
	if err := d.openLocked(false); err != nil {
		f.fail(err)
		return
	}
	second := d.party
	d.before = first
	f.twins.Add(1)
	late := f.clock.Now().Add(f.clock.market(replacedWithin + 2*f.cfg.Network.Lag))
	d.wheel.set(newAlarm(func() { f.checker.replaced(replaced, second) }), late)
}

// online tells whether the party is connected.
func (p *Party) online() bool {
	p.checker.mu.Lock()
	defer p.checker.mu.Unlock()
	return p.connected
}

// replaced checks that of two devices of a driver the first has been closed.
func (c *Checker) replaced(first, second *Party) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first.connected && second.connected {
		c.broken.add(Single, "", "driver %s had two sockets", first.sub)
	}
}

// gaveWay tells whether a request failed because its device was replaced: whoever asked asks again.
func gaveWay(err error) bool {
	stop, ok := errors.AsType[*client.StopError](err)
	return ok && stop.Code == client.CloseReplaced
}
