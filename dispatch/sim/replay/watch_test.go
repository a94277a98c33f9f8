package replay

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// witnessed is what a log tells that is watched.
func witnessed(log []byte) (*keeper, Ending, error) {
	k := &keeper{}
	l, err := Open(bytes.NewReader(log))
	if err != nil {
		return k, "", err
	}
	end, err := Watch(l, k, nil)
	return k, end, err
}

func TestWatch(t *testing.T) {
	log, steps := recorded(t, 600)
	t.Run("tells_what_the_recorder_was_told", func(t *testing.T) {
		want := &keeper{}
		d := newDay(t, want, 7)
		d.play(300)
		d.recover()
		d.play(300)
		got, end, err := witnessed(log)
		if err != nil || end != Whole || len(got.items) != steps+2 {
			t.Fatalf("%d items of %d steps, ends %s, %v", len(got.items), steps, end, err)
		}
		seen := cmp.Options{cmp.AllowUnexported(item{}, began{}), cmpopts.EquateEmpty(), cmpopts.EquateErrors(), cmpopts.EquateComparable(dispatch.Error{})}
		for i := range want.items {
			w, g := want.items[i], got.items[i]
			if diff := cmp.Diff(w.out.Events, g.out.Events, seen); diff != "" {
				t.Fatalf("item %d (-recorded +watched)\n%s", i, diff)
			}
			if w.began != nil && (g.began == nil || w.began.Recovery.Seq != g.began.Recovery.Seq) || len(w.out.Offers) != len(g.out.Offers) {
				t.Fatalf("item %d is %+v, want %+v", i, g, w)
			}
		}
	})
	t.Run("up_to_the_cut_of_a_killed_process", func(t *testing.T) {
		at := frames(t, log)
		got, end, err := witnessed(log[:at[len(at)-20]+3])
		if err != nil || end != Cut || len(got.items) != len(at)-21 { // without the heading
			t.Errorf("%d items of %d records, ends %s, %v", len(got.items), len(at), end, err)
		}
	})
	t.Run("another_history_is_an_error", func(t *testing.T) {
		forged := rewrite(t, log, func(n int, e *entry) {
			if e.Step != nil && e.Step.Candidates != nil && n > 100 {
				e.Step.Candidates.Pairs = nil
			}
		})
		if _, _, err := witnessed(forged); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "candidates") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what_makes_no_history_may_differ", func(t *testing.T) {
		forged := rewrite(t, log, func(n int, e *entry) {
			if e.Step != nil {
				e.Step.Effects = append(e.Step.Effects, Sum{"Round", uint64(n)})
			}
		})
		if _, _, err := witnessed(forged); err != nil {
			t.Error(err)
		}
	})
	t.Run("damage_is_an_error", func(t *testing.T) {
		forged := bytes.Clone(log)
		forged[len(forged)/2] ^= 1
		if _, _, err := witnessed(forged); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v", err)
		}
	})
}

// term writes a log of a market into a folder: a day of so many turns.
func term(t *testing.T, dir, name string, id dispatch.MarketID, epoch int64, turns int) []byte {
	t.Helper()
	data, _ := recorded(t, turns)
	l, err := Open(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name+Suffix)
	f, err := newFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = f.put(&entry{Start: &start{Market: id, Epoch: epoch, Program: "test", At: l.At}})
	for err == nil {
		e, over := l.next()
		if over != nil {
			break
		}
		err = f.put(e)
	}
	if err = errors.Join(err, f.put(&entry{End: &end{}}), f.flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDays(t *testing.T) {
	dir := t.TempDir()
	term(t, dir, "b", "sf", 4, 200)
	cut := term(t, dir, "a", "sf", 11, 300)
	term(t, dir, "c", "nyc", 1, 60)
	if err := os.WriteFile(filepath.Join(dir, "a"+Suffix), cut[:len(cut)-7], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "killed"+Suffix), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	days, err := Days(dir)
	if err != nil || len(days) != 2 || days[0].Market != "nyc" || days[1].Market != "sf" {
		t.Fatalf("days %+v, %v", days, err)
	}
	sf := days[1]
	if len(sf.Terms) != 2 || sf.Terms[0].Epoch != 4 || sf.Terms[1].Ending != Cut || sf.Terms[0].Ending != Whole ||
		sf.Orders <= days[0].Orders || sf.Terms[1].Inputs < 200 {
		t.Errorf("terms %+v, %d orders", sf.Terms, sf.Orders)
	}
	t.Run("are_told_term_by_term", func(t *testing.T) {
		k, n := &keeper{}, 0
		if err := days[1].Watch(k, func() { n++ }); err != nil || n != sf.Terms[0].Inputs+sf.Terms[1].Inputs {
			t.Errorf("%d inputs, %v", n, err)
		}
		creates := 0
		for _, it := range k.items {
			if do, is := it.in.(market.Do); is && do.Command.Op == dispatch.OpCreate {
				creates++
			}
		}
		if creates != sf.Orders {
			t.Errorf("%d orders, want %d", creates, sf.Orders)
		}
	})
	t.Run("of_two_stores_are_an_error", func(t *testing.T) {
		twice := sf
		twice.Terms = []Term{sf.Terms[0], sf.Terms[0]}
		if err := twice.Watch(&keeper{}, nil); err == nil || !strings.Contains(err.Error(), "two stores") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("damage_is_the_markets_own", func(t *testing.T) {
		cut[len(cut)/2] ^= 4
		if err := os.WriteFile(filepath.Join(dir, "a"+Suffix), cut, 0o600); err != nil {
			t.Fatal(err)
		}
		days, err := Days(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := days[1].Watch(&keeper{}, nil); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "a"+Suffix) {
			t.Errorf("got %v", err)
		}
		if err := days[0].Watch(&keeper{}, nil); errors.Is(err, ErrDamaged) {
			t.Errorf("got %v of another market's damage", err)
		}
	})
	t.Run("what_is_no_log_is_an_error", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(dir, "x"+Suffix), []byte("hello"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Days(dir); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v", err)
		}
	})
}
