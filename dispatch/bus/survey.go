package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hexfleet/hexfleet/dispatch"
)

// survey compares what the stream holds of the market with the history, each time the relay starts, and tells
// operators. The cursor, not the stream, is the truth, so that neither keeps the relay from its work:
//
//   - What the stream has lost behind the cursor (it was wiped, or NATS lost power before it synced) is not published
//     again; readers fill holes from the history.
//   - A stream that is ahead of the history is of another one: the store was restored from a backup. New events bear
//     message ids of older ones, and within the dedupe window are taken for those and not kept.
func (r *Relay) survey(ctx context.Context) error {
	last, err := r.cfg.Conn.last(ctx, r.cfg.Market)
	if err != nil {
		return err
	}
	if last <= r.cursor {
		if last < r.cursor {
			r.cfg.Log.Info("the stream does not hold the last events that were published; the history does",
				"stream", last, "cursor", r.cursor)
		}
		return nil
	}
	events, err := r.cfg.Source.MarketEvents(ctx, r.cfg.Market, last-1, 1)
	if err != nil {
		return fmt.Errorf("read event %d: %w", last, err)
	}
	if len(events) == 0 {
		r.cfg.Log.Error("the stream is of another history, from before a restore: it does not keep new events until it "+
			"has forgotten the old; delete it as docs/operations.md says", "name", StreamName, "stream", last, "cursor", r.cursor)
	}
	return nil
}

// last gives the seq of the last event of a market that the stream has taken and still holds, 0 for none.
func (c *Conn) last(ctx context.Context, m dispatch.MarketID) (int64, error) {
	stream, err := c.js.Stream(ctx, StreamName)
	if err != nil {
		return 0, fmt.Errorf("look at stream %s: %w", StreamName, err)
	}
	msg, err := stream.GetLastMsgForSubject(ctx, eventRoot+token(string(m))+".>")
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the last event of %s in the stream: %w", m, err)
	}
	id := msg.Header.Get(jetstream.MsgIDHeader)
	seq, err := strconv.ParseInt(id[strings.LastIndexByte(id, ':')+1:], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the last event of %s in the stream: message id %q", m, id)
	}
	return seq, nil
}
