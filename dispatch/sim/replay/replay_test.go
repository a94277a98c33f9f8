package replay

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch/market"
)

func TestRun(t *testing.T) {
	log, steps := recorded(t, 2000)
	first, err := rerun(log, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if first.Difference != nil || first.Inputs != steps || first.Ending != Whole || first.Cores != 2 {
		t.Errorf("replayed %+v (difference %+v), want %d steps of two cores, all the same", first, first.Difference, steps)
	}
	if first.Rounds < 100 || first.Offers < 100 || first.Assignments < 50 {
		t.Errorf("too little happens in %+v", first)
	}
	t.Run("any_number_of_processors_cold_or_warm_gives_the_same_bytes", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
		for _, n := range []int{1, 2, 8} {
			runtime.GOMAXPROCS(n)
			for _, cold := range []bool{false, true} {
				got, err := rerun(log, Options{Cold: cold})
				if diff := cmp.Diff(first, got); diff != "" || err != nil {
					t.Errorf("GOMAXPROCS %d, cold %v: %v (-first +got)\n%s", n, cold, err, diff)
				}
			}
		}
	})
	t.Run("another_input_is_a_difference_where_it_was_given", func(t *testing.T) {
		changed, at := 0, 0
		forged := rewrite(t, log, func(n int, e *entry) {
			if c := e.Step; c != nil && c.Candidates != nil && n > 400 && changed == 0 && len(c.Candidates.Pairs) > 0 {
				c.Candidates.Pairs = nil
				changed = n
			}
		})
		got, err := rerun(forged, Options{Step: func(n int) { at = n }})
		if err != nil || got.Difference == nil {
			t.Fatalf("replayed %+v, %v", got, err)
		}
		d := got.Difference
		if changed == 0 || d.Input != changed || at != changed-1 || d.Kind != "candidates" || len(d.Fields) == 0 || d.At.Before(t0) {
			t.Errorf("difference %+v, want at input %d", d, changed)
		}
	})
	t.Run("another_effect_is_a_difference_and_named", func(t *testing.T) {
		forged := rewrite(t, log, func(n int, e *entry) {
			if n == 500 && e.Step != nil {
				e.Step.Effects = append(e.Step.Effects, Sum{"Wrong", 1})
			}
		})
		got, err := rerun(forged, Options{})
		if err != nil || got.Difference == nil || got.Difference.Input != 500 || !cmp.Equal(got.Difference.Fields, []string{"Wrong"}) {
			t.Errorf("replayed %+v, %v", got.Difference, err)
		}
	})
}

// rewrite decodes a log, has its entries changed, and writes it anew with checksums that fit; n counts the steps.
func rewrite(t *testing.T, log []byte, change func(n int, e *entry)) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	f, err := newFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(bytes.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	err = f.put(&entry{Start: &start{Market: l.Market, Epoch: l.Epoch, Program: l.Program, At: l.At}})
	for n := 0; err == nil; {
		e, over := l.next()
		if over != nil {
			err = errors.Join(f.put(&entry{End: &end{}}), f.flush(), f.Close())
			break
		}
		if e.Step != nil {
			n++
		}
		change(n, e)
		err = f.put(e)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestLog_that_is_not_whole(t *testing.T) {
	log, _ := recorded(t, 100)
	at := frames(t, log)
	t.Run("cut_anywhere_it_reads_up_to_its_last_whole_record", func(t *testing.T) {
		whole, err := rerun(log, Options{})
		if err != nil || whole.Ending != Whole {
			t.Fatal(whole, err)
		}
		for n := 1; n+1 < len(at); n++ {
			for _, end := range []int{at[n], at[n] + 1, at[n] + headerSize, at[n] + headerSize + 1, at[n+1] - 1} {
				got, err := rerun(log[:end], Options{})
				if err != nil || got.Ending != Cut || got.Difference != nil || got.Inputs+got.Cores != n-1 {
					t.Fatalf("cut at %d, after record %d: %+v, %v", end, n, got, err)
				}
			}
		}
	})
	t.Run("cut_before_it_tells_whose_it_is_it_is_no_log", func(t *testing.T) {
		for _, end := range []int{0, 1, len(magic), len(magic) + headerSize, at[1] - 1} {
			if _, err := rerun(log[:end], Options{}); !errors.Is(err, ErrDamaged) {
				t.Errorf("cut at %d: %v", end, err)
			}
		}
	})
	t.Run("a_changed_byte_is_damage_wherever_it_is", func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			bad := bytes.Clone(log)
			i := random.IntN(len(bad))
			bad[i] ^= byte(1 + random.IntN(255))
			if got, err := rerun(bad, Options{}); !errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d: %+v, %v", i, got, err)
			}
		}
	})
	t.Run("a_record_that_is_missing_doubled_or_moved_is_damage", func(t *testing.T) {
		a, b, c := at[5], at[6], at[7]
		for what, parts := range map[string][][]byte{
			"missing": {log[:a], log[b:]},
			"doubled": {log[:b], log[a:]},
			"moved":   {log[:a], log[b:c], log[a:b], log[c:]},
			"more":    {log, log[a:b]},
		} {
			if got, err := rerun(bytes.Join(parts, nil), Options{}); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %+v, %v", what, got, err)
			}
		}
	})
	t.Run("steps_without_a_state_are_damage", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log")
		f, err := newFile(path)
		if err == nil {
			err = errors.Join(f.put(&entry{Start: &start{Market: "sf"}}), f.put(&entry{Step: &step{Now: t0}}), f.flush(), f.Close())
		}
		data, read := os.ReadFile(path)
		if err = errors.Join(err, read); err != nil {
			t.Fatal(err)
		}
		if got, err := rerun(data, Options{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestRecorder(t *testing.T) {
	t.Run("one_that_cannot_keep_up_ends_its_log_and_holds_up_nobody", func(t *testing.T) {
		dir := t.TempDir()
		cfg := config(t, dir)
		stalls, broken := make(chan struct{}), make(chan struct{})
		cfg.Written = func(int, int) { <-stalls }
		cfg.Broken = func() { close(broken) }
		r := NewRecorder(cfg)
		d := newDay(t, r, 3)
		d.play(300)
		for range 2 * queueLen {
			d.step(market.Tick{})
		}
		close(stalls)
		<-broken
		d.play(10)
		r.Close()
		got, err := rerun(onlyLog(t, dir), Options{})
		if err != nil || got.Ending != Broken || got.Difference != nil || got.Inputs < queueLen-1 || got.Inputs >= 2*queueLen {
			t.Errorf("the log reads as %+v, %v", got, err)
		}
	})
	t.Run("a_folder_that_is_not_there_ends_the_recording_alone", func(t *testing.T) {
		cfg := config(t, filepath.Join(t.TempDir(), "gone"))
		broken := make(chan struct{})
		cfg.Broken = func() { close(broken) }
		r := NewRecorder(cfg)
		newDay(t, r, 3).play(50)
		<-broken
		r.Close()
	})
	t.Run("a_term_that_never_began_leaves_no_file", func(t *testing.T) {
		dir := t.TempDir()
		r := NewRecorder(config(t, dir))
		r.Close()
		r.Close()
		if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
			t.Errorf("%v, %v", names, err)
		}
	})
	t.Run("what_was_written_is_told", func(t *testing.T) {
		dir := t.TempDir()
		cfg := config(t, dir)
		bytes := 0
		cfg.Written = func(_, n int) { bytes += n }
		r := NewRecorder(cfg)
		newDay(t, r, 3).play(50)
		r.Close()
		if size := len(onlyLog(t, dir)); bytes == 0 || bytes > size {
			t.Errorf("told of %d bytes of %d", bytes, size)
		}
	})
}

// FuzzLog reads what is no log, and what has the checksums of one: nothing but an error may come of it.
func FuzzLog(f *testing.F) {
	log, _ := recorded(f, 20)
	at := frames(f, log)
	f.Add(log)
	f.Add(log[:len(log)/2])
	for i := range at[:min(len(at)-1, 8)] {
		f.Add(log[at[i]+headerSize : at[i+1]])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sealed := []byte(magic)
		for n, rest := uint64(0), data; len(rest) > 0; n++ {
			size := min(len(rest), 1+int(rest[0])*8)
			h := header(n, rest[:size])
			sealed, rest = append(append(sealed, h[:]...), rest[:size]...), rest[size:]
		}
		for _, file := range [][]byte{data, sealed} {
			l, err := Open(bytes.NewReader(file))
			for err == nil {
				_, err = l.next()
			}
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, io.EOF) {
				t.Errorf("reading gave %v", err)
			}
		}
	})
}

func BenchmarkRecorder(b *testing.B) {
	// What a recorder costs the loop: a step queued. The writing is another goroutine's.
	b.Run("queue", func(b *testing.B) {
		r := &Recorder{queue: make(chan item, 1)}
		for b.Loop() {
			r.Stepped(t0, market.Tick{}, market.Effects{})
			<-r.queue
		}
	})
	b.Run("write", func(b *testing.B) {
		out, err := newFile(filepath.Join(b.TempDir(), "log"))
		if err != nil {
			b.Fatal(err)
		}
		k := &keeper{}
		newDay(b, k, 5).play(2000)
		items := k.items
		sums, i := newSummer(), 0
		b.ReportAllocs()
		for b.Loop() {
			if err := out.item(&items[i%len(items)], sums); err != nil {
				b.Fatal(err)
			}
			i++
		}
		b.ReportMetric(float64(out.size)/float64(i), "B/step")
	})
}
