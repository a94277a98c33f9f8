package eta

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Learnt estimates by the straight line with a circuity and a speed that depend on the distance, the hour and
// the places, and that it learns from drives; knowing none it answers by a prior. Estimates are never
// negative and finite for any two valid places; between the same cells, in the same direction and hour, who
// drives farther takes longer. They are symmetric only as long as nothing is learnt. How it learns: see model.
//
// It is safe for concurrent use: readers see one whole model and never wait for a writer.
type Learnt struct {
	zone *time.Location
	now  func() time.Time

	cells   cells
	writing sync.Mutex // held by whoever makes the next model
	model   atomic.Pointer[model]
}

var _ Estimator = (*Learnt)(nil)

// NewLearnt knows nothing yet of a city in zone; now is the instant at which estimated drives begin.
func NewLearnt(zone *time.Location, now func() time.Time) *Learnt {
	l := &Learnt{zone: zone, now: now}
	l.model.Store(newModel())
	return l
}

// Drives is how many drives were learnt.
func (l *Learnt) Drives() int64 { return l.model.Load().drives }

// Cells is how many cells have speeds of their own.
func (l *Learnt) Cells() int {
	m := l.model.Load()
	n := len(m.leave)
	for c := range m.reach {
		if m.leave[c] == nil {
			n++
		}
	}
	return n
}

// Learn takes in drives in the order in which they began, and tells how many of them it could use. The order matters,
// also from call to call: in that of their ends the short drives of an hour come first, which makes that hour look fast,
// and what it shares with the others slow; after one day of rides the mean error was 166 s that way, 136 s in order,
// and with drives held back for 30 min too (docs/bench/eta.md).
func (l *Learnt) Learn(drives []Observation) (used int) {
	l.writing.Lock()
	defer l.writing.Unlock()
	m := l.model.Load().clone()
	for i := range drives {
		if l.observe(m, &drives[i]) {
			used++
		}
	}
	if used > 0 {
		l.model.Store(m)
	}
	return used
}

// Estimate is the drive from a to b that begins at an instant.
func (l *Learnt) Estimate(a, b geo.LatLng, begin time.Time) Estimate {
	h := l.At(begin)
	return h.Estimate(a, b)
}

// Hour gives a Learnt's estimates of drives that begin at one instant, all by one model: for many in a row, without a
// table. Immutable; it may be used by many at once.
type Hour struct {
	cells     *cells
	model     *model
	day, week int
}

// At gives the estimates of drives that begin at an instant, as of what is learnt by now.
func (l *Learnt) At(begin time.Time) Hour {
	h := Hour{cells: &l.cells, model: l.model.Load()}
	h.day, h.week = hours(begin.In(l.zone))
	return h
}

// Estimate is the drive from a to b; the zero Estimate when one is no place.
func (h *Hour) Estimate(a, b geo.LatLng) Estimate {
	d := drive{from: h.cells.at(a), to: h.cells.at(b), day: h.day, week: h.week}
	return h.model.of(&d, a, b)
}

// Matrix implements Estimator. It stops with ctx's error.
func (l *Learnt) Matrix(ctx context.Context, sources, targets []geo.LatLng) ([][]Estimate, error) {
	m := l.model.Load()
	var d drive
	d.day, d.week = hours(l.now().In(l.zone))
	var few [16]geo.Cell // on the stack, as most questions are about few targets
	to := few[:0]
	for _, b := range targets {
		to = append(to, l.cells.at(b))
	}
	rows := newRows(len(sources), len(targets))
	for i, a := range sources {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("estimate %d x %d travel times: %w", len(sources), len(targets), err)
		}
		d.from = l.cells.at(a)
		for j, b := range targets {
			d.to = to[j]
			rows[i][j] = m.of(&d, a, b)
		}
	}
	return rows, nil
}

// of completes the drive by its line and estimates it. What is no place is no drive either.
func (m *model) of(d *drive, a, b geo.LatLng) Estimate {
	if d.from == 0 || d.to == 0 {
		return Estimate{}
	}
	d.metres, d.sector = geo.Distance(a, b), sectorOf(a, b)
	seconds, road, learnt := m.estimate(d)
	e := Estimate{Duration: time.Duration(math.Round(seconds*1000)) * time.Millisecond, Distance: road, Source: SourcePrior}
	if learnt {
		e.Source = SourceLearnt
	}
	return e
}
