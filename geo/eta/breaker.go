package eta

import (
	"context"
	"sync"
	"time"
)

// breaker keeps questions from a router that fails: after so many failures in a row it rests for a pause, then
// one question tries it; when that fails too, it rests again.
type breaker struct {
	most  int
	pause time.Duration

	mu sync.Mutex
	// failures in a row; the breaker is open when failures >= most.
	failures int
	// until is when an open breaker lets one through.
	until time.Time
	// trying tells that one is under way.
	trying bool
}

func newBreaker(most int, pause time.Duration) *breaker { return &breaker{most: most, pause: pause} }

// allow tells whether to ask; after true one of worked, failed and forget must follow.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.most {
		return true
	}
	if b.trying || now.Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

// worked closes the breaker; it tells whether it was open.
func (b *breaker) worked() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	open := b.failures >= b.most
	b.failures, b.trying = 0, false
	return open
}

// failed tells whether the breaker has just opened.
func (b *breaker) failed(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.trying = false
	if b.failures < b.most {
		return false
	}
	b.until = now.Add(b.pause)
	return b.failures == b.most
}

// forget is of a question that nobody waited for.
func (b *breaker) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
}

// open tells whether the router rests.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= b.most
}

// flights are the questions under way. Whoever asks what another asks already waits for that answer.
type flights struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

type flight struct {
	landed chan struct{} // closed once rows and err are set
	rows   [][]Estimate
	err    error
}

// once gives the answer to the question of a key: by ask, or by the ask of another that began before, within ctx.
func (f *flights) once(ctx context.Context, key string, ask func() ([][]Estimate, error)) ([][]Estimate, error) {
	f.mu.Lock()
	if other := f.byKey[key]; other != nil {
		f.mu.Unlock()
		select {
		case <-other.landed:
			return other.rows, other.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	mine := &flight{landed: make(chan struct{})}
	if f.byKey == nil {
		f.byKey = map[string]*flight{}
	}
	f.byKey[key] = mine
	f.mu.Unlock()
	mine.rows, mine.err = ask()
	f.mu.Lock()
	delete(f.byKey, key)
	f.mu.Unlock()
	close(mine.landed)
	return mine.rows, mine.err
}
