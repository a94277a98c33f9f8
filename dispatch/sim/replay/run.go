package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// Options change how a log is replayed; the zero Options replay it as it was recorded.
type Options struct {
	// Cold has the core forget before each round what only makes it faster.
	Cold bool
	// Step is called after each input with how many there were so far; nil for nothing.
	Step func(inputs int)
}

// Result is what a replay came to.
type Result struct {
	// Inputs counts the steps, Cores the recoveries from which a core was started.
	Inputs, Cores int
	// Rounds, Offers and Assignments count what the replayed cores decided.
	Rounds, Offers, Assignments int
	// Digest is the SHA-256 of all replayed effects, in hexadecimal: alike for alike runs.
	Digest string
	Ending Ending
	// Difference is the first; nil when every effect was the same.
	Difference *Difference
}

// Difference tells where a replay parted from its record.
type Difference struct {
	// Input is the number of the step in the log, from 1, At its market instant, Kind the kind of its input: a
	// command's operation, candidates, reload or tick.
	Input int
	At    time.Time
	Kind  string
	// Fields are those of the effects that differ.
	Fields []string
}

// Run replays a log to its end or to the first difference. What an input led to is not compared with what the
// record says of later inputs: those are what the world answered. The error is an ErrDamaged, or the reader's.
func Run(l *Log, opt Options) (Result, error) {
	var r Result
	var core *market.Core
	sums, chain := newSummer(), [sha256.Size]byte{}
	for {
		e, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, err
		}
		if e.Began != nil {
			core = market.NewCore(l.Market, e.Began.Policy, e.Began.Recovery)
			r.Cores++
			continue
		}
		if core == nil {
			return r, fmt.Errorf("%w: a step comes before the state it was taken in", ErrDamaged)
		}
		in, kind := e.Step.input()
		if opt.Cold && e.Step.Candidates != nil {
			core.Cool()
		}
		out := core.Step(e.Step.Now, in)
		r.count(&out)
		got, err := sums.sums(&out)
		if err != nil {
			return r, err
		}
		chain = link(chain, got)
		if fields := differ(e.Step.Effects, got); len(fields) > 0 {
			r.Difference = &Difference{r.Inputs, core.Now(), kind, fields}
			break
		}
		if opt.Step != nil {
			opt.Step(r.Inputs)
		}
	}
	r.Digest, r.Ending = hex.EncodeToString(chain[:]), l.Ending()
	return r, nil
}

// count adds up what a step decided.
func (r *Result) count(out *market.Effects) {
	r.Inputs++
	if out.Round != nil {
		r.Rounds++
	}
	for i := range out.Offers {
		if out.Offers[i].State == dispatch.OfferLive {
			r.Offers++
		}
	}
	for i := range out.Events {
		if e := &out.Events[i]; e.To == dispatch.StateEnRouteToPickup && e.From != e.To {
			r.Assignments++
		}
	}
}

func link(chain [sha256.Size]byte, sums []Sum) [sha256.Size]byte {
	b := chain[:]
	for _, s := range sums {
		b = binary.BigEndian.AppendUint64(append(b, s.Field...), s.Hash)
	}
	return sha256.Sum256(b)
}

// differ names the fields that one has and the other has not, or has otherwise; both are in the fields' order.
func differ(want, got []Sum) []string {
	var fields []string
	old := make(map[string]uint64, len(want))
	for _, s := range want {
		old[s.Field] = s.Hash
	}
	for _, s := range got {
		if hash, known := old[s.Field]; !known || hash != s.Hash {
			fields = append(fields, s.Field)
		}
		delete(old, s.Field)
	}
	for _, s := range want {
		if _, missing := old[s.Field]; missing {
			fields = append(fields, s.Field)
		}
	}
	return fields
}
