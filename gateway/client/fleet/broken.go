package fleet

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hexfleet/hexfleet/gateway/wire"
)

// The promises of docs/architecture.md that clients can see.
const (
	Durable  = "P1"  // an acknowledged order survives
	Single   = "P2"  // no order has two drivers, no driver more than its capacity
	Lawful   = "P3"  // every transition is legal, once, in order
	Streamed = "P4"  // what is told is what is committed
	Complete = "P5"  // no transition is missed, over reconnects too
	Answered = "P7"  // one effect and one answer a request
	Private  = "P11" // nobody reads another party's order, trip or position
)

// Broken is one promise seen broken.
type Broken struct {
	Promise string  `json:"promise"`
	OrderID wire.ID `json:"order_id"` // "" when it is about no order
	Detail  string  `json:"detail"`
}

// maxBroken bounds what is kept: whoever breaks that many promises is broken, and the report stays readable.
const maxBroken = 1000

// breaks collects broken promises; guarded by the Checker's mu.
type breaks struct{ all []Broken }

func (b *breaks) add(promise string, order wire.ID, format string, args ...any) {
	if len(b.all) < maxBroken {
		b.all = append(b.all, Broken{promise, order, fmt.Sprintf(format, args...)})
	}
}

// sorted gives what was broken, by promise and order.
func (b *breaks) sorted() []Broken {
	all := slices.Clone(b.all)
	slices.SortStableFunc(all, func(x, y Broken) int {
		return cmp.Or(cmp.Compare(x.Promise, y.Promise), cmp.Compare(x.OrderID, y.OrderID))
	})
	return all
}
