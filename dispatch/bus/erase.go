package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Erase overwrites the events of an order, or of a driver's duty, up to s.Seq in the stream's files, and gives how
// many. A purge would not do: it forgets messages and leaves their bytes on the disk until the file is compacted.
// Who has read an event from the stream before keeps it.
func (c *Conn) Erase(ctx context.Context, s dispatch.ErasedSubject) (int, error) {
	stream, err := c.js.Stream(ctx, StreamName)
	if err != nil {
		return 0, fmt.Errorf("open stream %s: %w", StreamName, err)
	}
	subject := driverSubject(s.Market, s.Driver)
	if s.Order != "" {
		subject = orderSubject(s.Market, s.Order)
	}
	erased := 0
	for next := uint64(1); ; {
		m, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return erased, nil
		}
		if err != nil {
			return erased, fmt.Errorf("read stream %s: %w", StreamName, err)
		}
		next = m.Sequence + 1
		if seq, known := seqOf(m.Header); known && seq > s.Seq {
			continue // of what came after the erasure
		}
		err = stream.SecureDeleteMsg(ctx, m.Sequence)
		if err != nil && !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) { // fallen out of the stream meanwhile
			return erased, fmt.Errorf("overwrite in stream %s: %w", StreamName, err)
		}
		erased++
	}
}

// seqOf reads the seq from a message's id, market:seq.
func seqOf(h nats.Header) (int64, bool) {
	id := h.Get(jetstream.MsgIDHeader)
	seq, err := strconv.ParseInt(id[strings.LastIndexByte(id, ':')+1:], 10, 64)
	return seq, err == nil
}
