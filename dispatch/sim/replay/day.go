package replay

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// Day is what a folder holds of one market: the logs of its terms of leadership, one after the other.
type Day struct {
	Market dispatch.MarketID
	// Orders is how many were asked for, the refused ones included.
	Orders int
	// Terms ascend by epoch.
	Terms []Term
}

// Term is one log.
type Term struct {
	Path    string
	Epoch   int64
	Program string
	// Inputs counts its steps; Ending is how it ends, Err what is wrong with it: an ErrDamaged, or nil.
	Inputs int
	Ending Ending
	Err    error
}

// Days looks through the logs of a folder, and gives a day for each market, ascending by market. A log that tells not
// even whose it is is an error, but an empty file is none: its server was killed before it wrote.
func Days(dir string) ([]Day, error) {
	paths, err := Files(dir)
	if err != nil {
		return nil, err
	}
	var days []Day
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Size() == 0 {
			continue
		}
		m, orders, term, err := look(path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
		}
		i := slices.IndexFunc(days, func(d Day) bool { return d.Market == m })
		if i < 0 {
			i = len(days)
			days = append(days, Day{Market: m})
		}
		d := &days[i]
		d.Orders += orders
		d.Terms = append(d.Terms, term)
	}
	slices.SortFunc(days, func(a, b Day) int { return cmp.Compare(a.Market, b.Market) })
	for i := range days {
		slices.SortStableFunc(days[i].Terms, func(a, b Term) int { return cmp.Compare(a.Epoch, b.Epoch) })
	}
	return days, nil
}

// look reads a log through without running it.
func look(path string) (m dispatch.MarketID, orders int, t Term, err error) {
	t.Path = path
	f, err := os.Open(path)
	if err != nil {
		return m, orders, t, err
	}
	defer f.Close()
	l, err := Open(f)
	if err != nil {
		return m, orders, t, err
	}
	t.Epoch, t.Program = l.Epoch, l.Program
	for {
		e, err := l.next()
		if err != nil {
			t.Ending = l.Ending()
			if errors.Is(err, io.EOF) {
				return l.Market, orders, t, nil
			}
			if t.Err = err; errors.Is(err, ErrDamaged) {
				return l.Market, orders, t, nil
			}
			return l.Market, orders, t, err
		}
		if e.Step == nil {
			continue
		}
		t.Inputs++
		if do := e.Step.Do; do != nil && do.Command.Op == dispatch.OpCreate {
			orders++
		}
	}
}

// Watch tells rec what happened in all the terms; see the function Watch. Two logs of one epoch are an error: they are of
// two stores, whose histories have nothing to do with each other.
func (d *Day) Watch(rec market.Recorder, step func()) error {
	for i := range d.Terms {
		t := &d.Terms[i]
		name := filepath.Base(t.Path)
		if t.Err != nil {
			return fmt.Errorf("read %s: %w", name, t.Err)
		}
		if i > 0 && d.Terms[i-1].Epoch == t.Epoch {
			return fmt.Errorf("%s and %s are of two stores, both of epoch %d: put them in folders of their own",
				filepath.Base(d.Terms[i-1].Path), name, t.Epoch)
		}
	}
	for i := range d.Terms {
		if err := d.Terms[i].watch(rec, step); err != nil {
			return err
		}
	}
	return nil
}

func (t *Term) watch(rec market.Recorder, step func()) error {
	f, err := os.Open(t.Path)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	defer f.Close()
	l, err := Open(f)
	if err == nil {
		_, err = Watch(l, rec, step)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Base(t.Path), err)
	}
	return nil
}
