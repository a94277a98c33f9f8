package node

import (
	"context"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Archive is what a node does with the data of people; store.Archive has it.
type Archive interface {
	AddSamples(ctx context.Context, samples []dispatch.Sample) error
	EraseSamples(ctx context.Context, d dispatch.DriverID, orders []dispatch.OrderID) (int64, error)
	DropSamples(ctx context.Context, before time.Time) (int, error)
	AddExplanations(ctx context.Context, es []dispatch.Explanation) error
	Explanations(ctx context.Context, id dispatch.OrderID, limit int) ([]dispatch.Explanation, error)
	DropExplanations(ctx context.Context, before time.Time) (int64, error)
	EraseExplanations(ctx context.Context, d dispatch.DriverID, pseudonym string, orders []dispatch.OrderID) (int64, error)
	DropPlaces(ctx context.Context, before time.Time) (int64, error)
	DropHistory(ctx context.Context, before time.Time) (int64, error)
	Erasures(ctx context.Context) ([]dispatch.Erasure, error)
	Forget(ctx context.Context, erasure string) error
}

// Keep is how long the data of people is kept, in market time; 0 is for ever.
type Keep struct {
	// Samples of trips count from their day's end, Places and History from when their order was closed, Explanations
	// from their round.
	Samples, Places, History, Explanations time.Duration
}

const (
	// retainEvery is the wall time between two looks at what is too old. A look that finds nothing costs a few
	// index reads.
	retainEvery = 10 * time.Minute
	// eraseEvery is the wall time between two looks for erasures.
	eraseEvery = 2 * time.Second
	// settled is the wall time after which every node has written the samples that waited when an erasure began.
	settled = 2 * flushEvery
	// copiesFor is the wall time after which no stream has a copy of what was published before: its own bound and an
	// hour.
	copiesFor = 25 * time.Hour
	// eraseBudget bounds the work on one erasure; the next look goes on.
	eraseBudget = time.Minute
)

// untilStop has a chore that may take long end when the node stops; the next start goes on with it.
func (c *chores) untilStop(do func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		c.wg.Go(func() {
			select {
			case <-c.quit:
				cancel()
			case <-ctx.Done():
			}
		})
		do(ctx)
	}
}

// retain forgets what is too old.
func (c *chores) retain(ctx context.Context) {
	n := c.node
	keep, now := n.cfg.Keep, n.cfg.Clock.Now()
	for _, chore := range []struct {
		what string
		keep time.Duration
		drop func(context.Context, time.Time) (int64, error)
	}{
		{"days of samples", keep.Samples, func(ctx context.Context, before time.Time) (int64, error) {
			days, err := n.cfg.Archive.DropSamples(ctx, before)
			return int64(days), err
		}},
		{"places of orders", keep.Places, n.cfg.Archive.DropPlaces},
		{"rows of old history", keep.History, n.cfg.Archive.DropHistory},
		{"explanations of rounds", keep.Explanations, n.cfg.Archive.DropExplanations},
	} {
		if chore.keep == 0 || ctx.Err() != nil {
			continue
		}
		dropped, err := chore.drop(ctx, now.Add(-chore.keep))
		if err != nil {
			n.cfg.Log.Warn("what is old could not be forgotten", "what", chore.what, "error", err)
		} else if dropped > 0 {
			n.cfg.Log.Info("forgot what is old", "what", chore.what, "count", dropped)
		}
	}
}

// erase takes those who were erased in the store out of the bus, and samples and explanations that came late out of the
// store.
func (c *chores) erase(ctx context.Context) {
	n := c.node
	all, err := n.cfg.Archive.Erasures(ctx)
	if err != nil {
		return // the store is away, as others tell louder
	}
	for i := range all {
		e := &all[i]
		age := n.cfg.Wall.Now().Sub(e.RequestedAt)
		if age < settled {
			continue
		}
		if !c.erased[e.ID] {
			events, done, err := c.eraseOne(ctx, e)
			switch {
			case err != nil:
				n.cfg.Log.Warn("erasure not done yet", "erasure", e.ID, "error", err)
			case done:
				n.cfg.Log.Info("erasure done", "erasure", e.ID, "stream_events", events)
			}
			c.erased[e.ID] = done
		}
		// Nodes that have each a bus of its own work off each their own, until none can have a copy.
		if c.erased[e.ID] && (!n.cfg.Shared || !n.cfg.OwnBus || age > copiesFor) {
			if err := n.cfg.Archive.Forget(ctx, e.ID); err != nil {
				n.cfg.Log.Warn("erased id not forgotten yet", "erasure", e.ID, "error", err)
				continue
			}
			delete(c.erased, e.ID)
		}
	}
}

// eraseOne works off one erasure on this node's bus. It is not done while a relay may still publish what it read before.
func (c *chores) eraseOne(ctx context.Context, e *dispatch.Erasure) (events int, done bool, err error) {
	n := c.node
	ctx, cancel := context.WithTimeout(ctx, eraseBudget)
	defer cancel()
	cursors := map[dispatch.MarketID]int64{}
	var orders []dispatch.OrderID
	for _, s := range e.Subjects {
		if _, known := cursors[s.Market]; !known {
			if cursors[s.Market], err = n.cfg.Store.Cursor(ctx, s.Market); err != nil {
				return 0, false, fmt.Errorf("read the cursor of %s: %w", s.Market, err)
			}
		}
		if cursors[s.Market] < s.Seq {
			return 0, false, nil
		}
		if s.Order != "" && e.Role == dispatch.RoleRider {
			orders = append(orders, s.Order)
		}
	}
	driver := dispatch.DriverID("")
	if e.Role == dispatch.RoleDriver {
		driver = dispatch.DriverID(e.Sub)
	}
	n.samples.flush(ctx)
	if _, err := n.cfg.Archive.EraseSamples(ctx, driver, orders); err != nil {
		return 0, false, fmt.Errorf("erase samples: %w", err)
	}
	if err := n.explain.erase(ctx, driver, e.Pseudonym, orders); err != nil {
		return 0, false, fmt.Errorf("erase explanations: %w", err)
	}
	for _, s := range e.Subjects {
		erased, err := n.cfg.Bus.Erase(ctx, s)
		if events += erased; err != nil {
			return events, false, err
		}
	}
	return events, true, nil
}
