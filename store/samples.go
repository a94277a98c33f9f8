package store

import (
	"context"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Samples are the points kept of trips, in partitions of a day of market time that are dropped whole. They are
// losable: a crash may take the last seconds of them, and a sample of an instant that a sample of its order has
// already is left out.
type Samples interface {
	// AddSamples keeps samples, of any markets and instants.
	AddSamples(ctx context.Context, samples []dispatch.Sample) error
	// Samples gives at most f.Limit samples. With a market it reads only what lies in the span.
	Samples(ctx context.Context, f dispatch.SampleFilter) ([]dispatch.Sample, error)
	// DropSamples drops the days that end at or before the instant before; it gives how many.
	DropSamples(ctx context.Context, before time.Time) (int, error)
	// EraseSamples deletes the samples of a driver (when it is not "") and of orders.
	EraseSamples(ctx context.Context, d dispatch.DriverID, orders []dispatch.OrderID) (int64, error)
}

// Learnt keeps what a market has learnt of its city, such as speeds: documents that their owner reads whole.
type Learnt interface {
	// SaveLearnt keeps doc under a name, in the place of the one before.
	SaveLearnt(ctx context.Context, m dispatch.MarketID, name string, doc []byte) error
	// Learnt gives it; false when nothing is kept under the name.
	Learnt(ctx context.Context, m dispatch.MarketID, name string) ([]byte, bool, error)
}

// Day is the first instant of the day of market time (UTC) in which t lies.
func Day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// IDBounds gives bounds on the ids of orders that were requested in [from, to): low <= id < high, "" for unbounded.
// An id is minted just before its order is requested: at most a day of a queue before, and no more than minutes
// after by a clock that goes ahead. Backends narrow a list by it and judge by RequestedAt.
func IDBounds(from, to time.Time) (low, high string) {
	if !from.IsZero() {
		low = idTime(from.Add(-24 * time.Hour))
	}
	if !to.IsZero() {
		high = idTime(to.Add(10 * time.Minute))
	}
	return low, high
}

// idTime is the part of a UUIDv7 that tells its instant, which is none before 1970.
func idTime(t time.Time) string {
	if t.Unix() < 0 {
		t = time.Unix(0, 0)
	}
	return dispatch.DeriveID(t)[:13]
}
