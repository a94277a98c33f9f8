package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// history digests the events of a run, in their order: SHA-256 over a line for each, its members between bars. Two runs
// of the same digest have the same history.
type history struct {
	hash hash.Hash
	line []byte
}

func newHistory() *history { return &history{hash: sha256.New()} }

func (h *history) add(e *dispatch.Event) {
	b := h.line[:0]
	number := func(n int64) { b = append(strconv.AppendInt(b, n, 10), '|') }
	text := func(s string) { b = append(append(b, s...), '|') }
	instant := func(t time.Time) {
		if t.IsZero() {
			b = append(b, '|')
			return
		}
		number(t.UnixMicro())
	}
	number(e.Seq)
	text(string(e.Type))
	instant(e.At)
	text(string(e.By.Role))
	text(e.By.Sub)
	number(e.Version)
	text(string(e.Driver))
	text(string(e.Offer))
	text(e.Reason)
	text(e.Policy)
	if o := e.Order; o != nil {
		text(string(o.ID))
		text(string(e.From))
		text(string(e.To))
		text(string(o.Rider))
		text(string(o.Driver))
		number(int64(o.NextStop))
		instant(o.PickupETA)
		instant(o.DropoffETA)
	}
	if d := e.Duty; d != nil {
		b = strconv.AppendBool(b, d.Online)
		number(int64(d.Capacity))
	}
	h.line = append(b, '\n')
	h.hash.Write(h.line)
}

// sum is the digest so far, in hexadecimal.
func (h *history) sum() string { return hex.EncodeToString(h.hash.Sum(nil)) }
