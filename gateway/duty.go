package gateway

import (
	"context"
	"fmt"
	"sync"

	"github.com/hexfleet/hexfleet/dispatch"
)

// duties knows in which market each driver is, or was last, on duty, so that a ping finds its index without a read. It is
// a cache of the journal: fed by duty events, loaded on a miss, and read anew before a driver's own change
// of duty is acknowledged. One small entry a driver seen since the start.
type duties struct {
	history History

	mu     sync.RWMutex
	latest map[dispatch.DriverID]standing // guarded by mu
}

// standing is what a duty means for telemetry.
type standing struct {
	version int64             // of the driver's last duty event, 0 for none ever
	market  dispatch.MarketID // of that event, "" for none ever
}

func newDuties(h History) *duties {
	return &duties{history: h, latest: map[dispatch.DriverID]standing{}}
}

// told keeps a duty unless a later one is known.
func (d *duties) told(duty *dispatch.Duty) {
	d.keep(duty.Driver, standing{duty.Version, duty.Market})
}

func (d *duties) keep(id dispatch.DriverID, s standing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.latest[id]; !ok || s.version >= known.version {
		d.latest[id] = s
	}
}

// of gives a driver's standing, from the journal when it is not known.
func (d *duties) of(ctx context.Context, id dispatch.DriverID) (standing, error) {
	d.mu.RLock()
	s, ok := d.latest[id]
	d.mu.RUnlock()
	if ok {
		return s, nil
	}
	return d.refresh(ctx, id)
}

// refresh reads a driver's duty from the journal, whatever is known.
func (d *duties) refresh(ctx context.Context, id dispatch.DriverID) (standing, error) {
	duty, err := d.history.Duty(ctx, id)
	switch {
	case dispatch.CodeOf(err) == dispatch.CodeNotFound:
		d.keep(id, standing{})
	case err != nil:
		return standing{}, fmt.Errorf("read the duty of a driver: %w", err)
	default:
		d.told(&duty)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.latest[id], nil
}
