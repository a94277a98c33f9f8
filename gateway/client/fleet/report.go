package fleet

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a run found; its JSON is that of hexfleet load.
type Report struct {
	Orders Orders   `json:"orders"`
	Broken []Broken `json:"broken"`
	// OrderAck is from the rider's wish to the acknowledgement, OrderOffer from there to the rider being told
	// of an offer, AcceptTold from a driver's acceptance to the rider being told; wall time.
	OrderAck   Latency `json:"order_ack_ms"`
	OrderOffer Latency `json:"order_offer_ms"`
	AcceptTold Latency `json:"accept_told_ms"`
	// Cuts counts sockets that were cut on purpose, Repeats requests that were sent once more after their
	// answer, Twins drivers that logged in on a second device.
	Cuts    int64 `json:"cuts"`
	Repeats int64 `json:"repeats"`
	Twins   int64 `json:"twins"`
}

// Orders counts orders as they stand.
type Orders struct {
	Sent  int `json:"sent"`
	Acked int `json:"acked"`
	// PickedUp counts those whose pickup was ever left.
	PickedUp  int `json:"picked_up"`
	Completed int `json:"completed"`
	// OnTrip are picked up and not over, Waiting neither picked up nor over.
	OnTrip    int `json:"on_trip"`
	Waiting   int `json:"waiting"`
	NoDriver  int `json:"no_driver"`
	Cancelled int `json:"cancelled"`
	// Aged counts acknowledged orders placed at least one search timeout before the end, AgedPickedUp those
	// of them that were picked up.
	Aged         int `json:"aged"`
	AgedPickedUp int `json:"aged_picked_up"`
}

// Latency is a distribution in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// histogram collects durations; guarded by mu.
type histogram struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

// longest is the longest duration told apart; a longer one counts as this.
const longest = time.Hour

func newHistogram() *histogram {
	return &histogram{h: hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// add counts d; a negative one, of two events that overtook one another, is 0.
func (h *histogram) add(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.h.RecordValue(min(max(d, 0), longest).Microseconds()) // in range by the line itself
}

func (h *histogram) latency() Latency {
	h.mu.Lock()
	defer h.mu.Unlock()
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Latency{
		P50: ms(h.h.ValueAtQuantile(50)), P95: ms(h.h.ValueAtQuantile(95)),
		P99: ms(h.h.ValueAtQuantile(99)), Max: ms(h.h.Max()),
	}
}

// Progress is how a run stands.
type Progress struct {
	// Phase is connecting, ordering, playing on, going off duty, reading history.
	Phase string
	// Elapsed is market time since the start of the orders, negative before it.
	Elapsed time.Duration
	Orders  Orders
	// Planned counts the orders of the plan.
	Planned int
	// Refused counts orders that the server refused.
	Refused int
	// OnDuty counts drivers that are connected and on duty.
	OnDuty int
	Broken int
}
