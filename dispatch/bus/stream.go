package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamName is the JetStream stream that keeps the events of every market.
const StreamName = "HEXFLEET_EVENTS"

// Bounds of the stream. It is a window on the history, not a second copy: what falls out is read from the
// store.
const (
	// streamMaxAge is how long an event, and with it the places it tells, stays outside the store.
	streamMaxAge = 24 * time.Hour
	// streamMaxBytes holds about 700,000 events of 1.5 KB; the oldest make room.
	streamMaxBytes = 1 << 30
	// dedupeWindow is how long a message id is remembered. The relay stores its cursor four times a second,
	// so what it publishes again after a restart within this time is kept once; later, at most a quarter of
	// a second of events is kept twice.
	dedupeWindow = 2 * time.Minute
)

// EnsureStream makes the events' stream, or brings an existing one to these bounds.
func (c *Conn) EnsureStream(ctx context.Context) error {
	_, err := c.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:        StreamName,
		Description: "hexfleet: events of all markets, as CloudEvents 1.0",
		Subjects:    []string{eventRoot + ">"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      streamMaxAge,
		MaxBytes:    streamMaxBytes,
		Duplicates:  dedupeWindow,
	})
	if err != nil {
		return fmt.Errorf("make stream %s: %w", StreamName, err)
	}
	return nil
}
