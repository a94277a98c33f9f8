package postgres

import (
	"fmt"
	"time"
)

// Bounds are the longest waits, in wall time; a zero field means its default.
type Bounds struct {
	// Connect is for one connection to be made: 1 s.
	Connect time.Duration
	// Acquire is the wait for a free connection: 200 ms. With all of them busy for so long more callers would only
	// pile up.
	Acquire time.Duration
	// Read is for a read by its key, and for a lease to be renewed, the wait for a connection included: 400 ms.
	Read time.Duration
	// List is for a read of many rows: 3 s.
	List time.Duration
	// Recover is for a market's recovery: 10 s.
	Recover time.Duration
	// Write is for a commit, and all else that writes: 2 s. The database gives up on any statement of it after as
	// long, so that what the caller gave up on does not go on.
	Write time.Duration
	// Lock is the wait for a row that another transaction holds: 1 s.
	Lock time.Duration
}

// withDefaults fills in the zero fields; the error names one that is negative.
func (b Bounds) withDefaults() (Bounds, error) {
	for _, f := range []struct {
		name  string
		value *time.Duration
		ms    int
	}{
		{"Connect", &b.Connect, 1000}, {"Acquire", &b.Acquire, 200}, {"Read", &b.Read, 400}, {"List", &b.List, 3000},
		{"Recover", &b.Recover, 10000}, {"Write", &b.Write, 2000}, {"Lock", &b.Lock, 1000},
	} {
		if *f.value < 0 {
			return b, fmt.Errorf("bound %s is %v, must not be negative", f.name, *f.value)
		}
		if *f.value == 0 {
			*f.value = time.Duration(f.ms) * time.Millisecond
		}
	}
	return b, nil
}
