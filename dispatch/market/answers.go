package market

import (
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// answers knows the keyed commands in flight and those answered in the last minute, so that a repeat waits
// for the first one's answer and the core never sees it. Older keys are found in the journal by the asker's
// own goroutine, before it queues. Owned by the loop's goroutine.
type answers struct {
	wall  dispatch.Clock
	known map[subKey]*keyed
	// order are the answered ones, oldest first.
	order []*keyed
}

// rememberFor is how long (wall) an answer stays here: far longer than the time between an asker's look
// into the journal and its command's turn.
const rememberFor = time.Minute

type subKey struct{ sub, key string }

type keyed struct {
	id      subKey
	digest  [32]byte
	first   *request
	waiting []*request
	reply   dispatch.Reply
	at      time.Time // wall instant of the answer; zero while in flight
}

func newAnswers(wall dispatch.Clock) *answers {
	return &answers{wall: wall, known: map[subKey]*keyed{}}
}

// repeats takes care of a request whose key is known, and notes a new key. It tells whether the request is
// taken care of.
func (a *answers) repeats(r *request) bool {
	key := r.do.Command.Key
	if key.ID == "" {
		return false
	}
	a.forget()
	id := subKey{r.do.Command.By.Sub, key.ID}
	k, ok := a.known[id]
	switch {
	case !ok:
		a.known[id] = &keyed{id: id, digest: key.Digest, first: r}
		return false
	case k.digest != key.Digest:
		r.reply <- dispatch.Reply{Err: dispatch.KeyReused()}
	case k.at.IsZero():
		k.waiting = append(k.waiting, r)
	default:
		r.reply <- k.reply
	}
	return true
}

// give answers a request and those that repeated it.
func (a *answers) give(r *request, reply dispatch.Reply) {
	r.reply <- reply
	id := subKey{r.do.Command.By.Sub, r.do.Command.Key.ID}
	k, ok := a.known[id]
	if !ok || k.first != r {
		return
	}
	for _, w := range k.waiting {
		w.reply <- reply
	}
	k.waiting = nil
	if reply.Err != nil && !reply.Err.Code.Kept() {
		delete(a.known, id) // changed nothing: a repeat is judged anew
		return
	}
	k.reply, k.at = reply, a.wall.Now()
	a.order = append(a.order, k)
}

func (a *answers) forget() {
	now := a.wall.Now()
	n := 0
	for n < len(a.order) && now.Sub(a.order[n].at) > rememberFor {
		delete(a.known, a.order[n].id)
		n++
	}
	a.order = a.order[n:]
}
