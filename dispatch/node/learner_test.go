package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// learning is a real store that can be away.
type learning struct {
	*sqlite.Journal
	away  bool
	saves int
}

var errAway = errors.New("away")

func (s *learning) Learnt(ctx context.Context, m dispatch.MarketID, name string) ([]byte, bool, error) {
	if s.away {
		return nil, false, errAway
	}
	return s.Journal.Learnt(ctx, m, name)
}

func (s *learning) Samples(ctx context.Context, f dispatch.SampleFilter) ([]dispatch.Sample, error) {
	if s.away {
		return nil, errAway
	}
	return s.Journal.Samples(ctx, f)
}

func (s *learning) SaveLearnt(ctx context.Context, m dispatch.MarketID, name string, doc []byte) error {
	if s.away {
		return errAway
	}
	s.saves++
	return s.Journal.SaveLearnt(ctx, m, name, doc)
}

// school is a learner of sf with its store, at an instant of market time.
type school struct {
	t       *testing.T
	store   *learning
	learner *learner
	now     time.Time
}

var schoolBegin = time.Date(2026, 3, 4, 20, 0, 0, 0, time.UTC)

func newSchool(t *testing.T) *school {
	t.Helper()
	journal, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir(), Wall: dispatch.Wall{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	s := &school{t: t, store: &learning{Journal: journal}, now: schoolBegin}
	if err := s.takeOver(); err != nil {
		t.Fatal(err)
	}
	return s
}

// takeOver has another learner begin, and gives its error.
func (s *school) takeOver() error {
	sf, _ := dispatch.DefaultMarkets().Get("sf")
	s.learner = newLearner(&Config{Learning: s.store, Clock: dispatch.NewManual(schoolBegin)}, &sf)
	return s.learner.begin(s.t.Context(), s.now)
}

// look learns after a span, and gives how many drives.
func (s *school) look(after time.Duration) int {
	s.t.Helper()
	s.now = s.now.Add(after)
	n, err := s.learner.look(s.t.Context(), s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// drive keeps the samples of a driver on its way in a state of an order: 2 km to the east in ten minutes.
func (s *school) drive(d, order string, state dispatch.State, begin time.Time) {
	s.t.Helper()
	var samples []dispatch.Sample
	for i := range 51 {
		samples = append(samples, dispatch.Sample{
			Driver: dispatch.DriverID(d), Order: dispatch.OrderID(order), Market: "sf", State: state, Fix: geo.Fix{
				LatLng: geo.LatLng{Lat: 37.76, Lng: -122.44 + 0.000454*float64(i)}, At: begin.Add(time.Duration(i) * dispatch.SampleEvery),
				SpeedMps: math.NaN(), HeadingDeg: math.NaN(), AccuracyM: math.NaN(),
			},
		})
	}
	if err := s.store.AddSamples(s.t.Context(), samples); err != nil {
		s.t.Fatal(err)
	}
}

func (s *school) estimate() eta.Estimate {
	s.t.Helper()
	rows, err := s.learner.Matrix(s.t.Context(), []geo.LatLng{{Lat: 37.76, Lng: -122.44}}, []geo.LatLng{{Lat: 37.76, Lng: -122.4173}})
	if err != nil {
		s.t.Fatal(err)
	}
	return rows[0][0]
}

func TestLearner_look(t *testing.T) {
	t.Run("learns_each_way_to_a_pickup_and_with_a_rider_once", func(t *testing.T) {
		s := newSchool(t)
		before := s.estimate()
		for i := range 40 {
			d := fmt.Sprint("d", i)
			s.drive(d, d, dispatch.StateEnRouteToPickup, s.now)
			s.drive(d, d, dispatch.StateArrivedAtPickup, s.now.Add(11*time.Minute))
			s.drive(d, d, dispatch.StateEnRouteToDropoff, s.now.Add(22*time.Minute))
		}
		drives := 0
		for range 18 {
			drives += s.look(learnEvery)
		}
		if drives != 80 || s.learner.line.Drives() != 80 {
			t.Errorf("%d drives, %d in the model", drives, s.learner.line.Drives())
		}
		after := s.estimate()
		if before.Source != eta.SourcePrior || after.Source != eta.SourceLearnt || after.Duration < before.Duration+20*time.Second {
			t.Errorf("%+v before, %+v after drives of 10 min", before, after)
		}
		if s.store.saves != 2 {
			t.Errorf("saved %d times, want once for each look that learnt", s.store.saves)
		}
	})

	t.Run("drives_are_learnt_in_the_order_in_which_they_began", func(t *testing.T) {
		s := newSchool(t)
		want := newSchool(t)
		for i, d := range []string{"c", "a", "b"} { // by id they would come in another
			begin := s.now.Add(time.Duration(i) * 2 * time.Hour)
			s.drive(d, d, dispatch.StateEnRouteToPickup, begin)
			want.drive(d, d, dispatch.StateEnRouteToPickup, begin)
			if n := want.look(2 * time.Hour); n != 1 {
				t.Fatalf("%d drives", n)
			}
		}
		if n := s.look(6 * time.Hour); n != 3 || string(s.learner.line.Document()) != string(want.learner.line.Document()) {
			t.Errorf("%d drives\n%s\n%s", n, s.learner.line.Document(), want.learner.line.Document())
		}
	})

	t.Run("a_driver_with_two_orders_is_not_on_a_way", func(t *testing.T) {
		s := newSchool(t)
		s.drive("d", "o1", dispatch.StateEnRouteToDropoff, s.now)
		s.drive("d", "o2", dispatch.StateEnRouteToPickup, s.now)
		if n := s.look(time.Hour); n != 0 {
			t.Errorf("%d drives", n)
		}
	})

	t.Run("reads_page_by_page", func(t *testing.T) {
		s := newSchool(t)
		const n = 2*learnPage/51 + 7
		for i := range n {
			s.drive(fmt.Sprint("d", i), fmt.Sprint("o", i), dispatch.StateEnRouteToPickup, s.now.Add(time.Duration(i)*time.Millisecond))
		}
		if got := s.look(time.Hour); got != n {
			t.Errorf("%d drives, want %d", got, n)
		}
	})

	t.Run("without_a_store_nothing_is_learnt", func(t *testing.T) {
		s := newSchool(t)
		sf, _ := dispatch.DefaultMarkets().Get("sf")
		s.learner = newLearner(&Config{Clock: dispatch.NewManual(s.now)}, &sf)
		if n := s.look(time.Hour); n != 0 || s.estimate().Source != eta.SourcePrior {
			t.Errorf("%d drives, %+v", n, s.estimate())
		}
	})
}

func TestLearner_begin(t *testing.T) {
	taught := func(t *testing.T) *school {
		s := newSchool(t)
		for i := range 30 {
			s.drive(fmt.Sprint("d", i), fmt.Sprint("o", i), dispatch.StateEnRouteToPickup, s.now)
		}
		if n := s.look(time.Hour); n != 30 {
			t.Fatalf("%d drives", n)
		}
		return s
	}

	t.Run("goes_on_from_the_document_and_learns_nothing_twice", func(t *testing.T) {
		s := taught(t)
		want := s.estimate()
		if err := s.takeOver(); err != nil {
			t.Fatal(err)
		}
		if got := s.estimate(); got.Source != eta.SourceLearnt || (got.Duration-want.Duration).Abs() > 100*time.Millisecond {
			t.Errorf("%+v, want %+v", got, want)
		}
		if n := s.look(time.Hour); n != 0 || s.learner.line.Drives() != 30 {
			t.Errorf("%d drives again, %d in the model", n, s.learner.line.Drives())
		}
	})

	t.Run("takes_up_what_was_under_way_since_and_not_what_is_cut", func(t *testing.T) {
		s := taught(t)
		begin := s.now
		s.drive("whole", "a", dispatch.StateEnRouteToPickup, begin.Add(-40*time.Minute))
		s.drive("cut", "b", dispatch.StateEnRouteToPickup, begin.Add(-55*time.Minute))
		if n := s.look(0); n != 0 {
			t.Fatalf("%d drives are learnt before they can be in order", n)
		}
		if err := s.takeOver(); err != nil {
			t.Fatal(err)
		}
		if n := s.look(time.Hour); n != 1 || s.learner.line.Drives() != 31 {
			t.Errorf("%d drives, %d in the model", n, s.learner.line.Drives())
		}
	})

	t.Run("without_a_document_learns_from_the_last_days", func(t *testing.T) {
		s := newSchool(t)
		s.drive("d", "o", dispatch.StateEnRouteToPickup, s.now)
		s.now = s.now.Add(24 * time.Hour)
		if err := s.takeOver(); err != nil {
			t.Fatal(err)
		}
		if n := s.look(0); n != 1 {
			t.Errorf("%d drives", n)
		}
	})

	t.Run("a_store_that_is_away_is_asked_again_and_nothing_is_overwritten", func(t *testing.T) {
		s := taught(t)
		s.store.away = true
		if err := s.takeOver(); !errors.Is(err, errAway) {
			t.Errorf("got %v", err)
		}
		if n, err := s.learner.look(t.Context(), s.now.Add(learnEvery)); n != 0 || !errors.Is(err, errAway) {
			t.Errorf("%d drives, %v", n, err)
		}
		s.store.away = false
		s.look(2 * learnEvery)
		if n := s.learner.line.Drives(); n != 30 {
			t.Errorf("%d drives in the model", n)
		}
	})

	t.Run("a_document_that_cannot_be_read_is_written_anew", func(t *testing.T) {
		s := taught(t)
		if err := s.store.SaveLearnt(t.Context(), "sf", learntName, []byte(`{"format":"hexfleet.eta/9"}`)); err != nil {
			t.Fatal(err)
		}
		if err := s.takeOver(); !errors.Is(err, eta.ErrDocument) {
			t.Errorf("got %v", err)
		}
		if n := s.look(learnEvery); n != 30 {
			t.Errorf("%d drives", n)
		}
		if err := s.takeOver(); err != nil || s.learner.line.Drives() != 30 {
			t.Errorf("%v, %d drives", err, s.learner.line.Drives())
		}
	})

	t.Run("a_router_is_asked_first", func(t *testing.T) {
		sf, _ := dispatch.DefaultMarkets().Get("sf")
		k := newLearner(&Config{ETA: eta.Default(), Clock: dispatch.NewManual(schoolBegin)}, &sf)
		rows, err := k.Matrix(t.Context(), []geo.LatLng{{Lat: 37.76, Lng: -122.44}}, []geo.LatLng{{Lat: 37.76, Lng: -122.41}})
		if err != nil || rows[0][0].Source != eta.SourceStraightLine {
			t.Errorf("%+v, %v", rows, err)
		}
	})
}
