package storetest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

func sampleTests() []account {
	return []account{
		{"samples_read_back_by_every_filter", sampleFilters},
		{"pages_of_samples_hold_each_once", samplePages},
		{"a_sample_of_the_same_instant_is_left_out", sampleTwice},
		{"samples_are_dropped_by_the_day", sampleDrop},
		{"samples_of_a_driver_or_of_orders_are_erased", sampleErase},
		{"what_was_learnt_is_kept", learntKept},
	}
}

// samples gives three days of samples, one each 7 hours: by turns of o0 to o2 (of sf, la and sf), of d0 or d1.
func samples() []dispatch.Sample {
	all := make([]dispatch.Sample, 11)
	for i := range all {
		all[i] = dispatch.Sample{
			Driver: dispatch.DriverID(fmt.Sprint("d", i%2)), Order: dispatch.OrderID(fmt.Sprint("o", i%3)),
			Market: []dispatch.MarketID{sf, la, sf}[i%3], State: dispatch.StateEnRouteToPickup,
			Fix: geo.Fix{
				LatLng: geo.LatLng{Lat: 37.7749295 + float64(i)/1e7, Lng: -122.4194155}, At: Start().Add(time.Duration(i) * 7 * time.Hour),
				SpeedMps: 8.25, HeadingDeg: 271.5, AccuracyM: math.NaN(),
			},
		}
	}
	all[3].SpeedMps, all[4].HeadingDeg = math.NaN(), math.NaN()
	return all
}

func sameSamples(t *testing.T, what string, got, want []dispatch.Sample) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("%s differ (-want +got):\n%s", what, diff)
	}
}

func sampleFilters(t *testing.T, h *archive) {
	all := samples()
	ok(t, "add samples", h.AddSamples(t.Context(), all))
	h.reopen(t)
	for _, f := range []dispatch.SampleFilter{
		{},
		{Market: sf},
		{Order: "o1"},
		{Driver: "d1"},
		{Driver: "d1", Order: "o1", Market: la},
		{Driver: "d1", Market: sf},
		{From: all[3].At},
		{To: all[3].At},
		{Market: sf, From: all[2].At, To: all[6].At},
		{Market: sf, From: all[2].At.Add(time.Microsecond), To: all[6].At.Add(time.Microsecond)},
		{From: Start().Add(90 * 24 * time.Hour)},
		{Order: "o9"},
	} {
		var want []dispatch.Sample
		for _, s := range all {
			if (f.Market == "" || s.Market == f.Market) && (f.Order == "" || s.Order == f.Order) &&
				(f.Driver == "" || s.Driver == f.Driver) && !s.At.Before(f.From) && (f.To.IsZero() || s.At.Before(f.To)) {
				want = append(want, s)
			}
		}
		f.Limit = 50
		got, err := h.Samples(t.Context(), f)
		ok(t, "samples", err)
		sameSamples(t, fmt.Sprintf("samples of %+v", f), got, want)
	}
}

func samplePages(t *testing.T, h *archive) {
	all := samples()
	for i := range all[1:4] { // some of one instant
		all[i+1].At = all[0].At
	}
	slices.SortStableFunc(all, func(a, b dispatch.Sample) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return cmpText(a.Order, b.Order)
	})
	all = slices.CompactFunc(all, func(a, b dispatch.Sample) bool { return a.At.Equal(b.At) && a.Order == b.Order && a.Market == b.Market })
	ok(t, "add samples", h.AddSamples(t.Context(), all))
	for _, market := range []dispatch.MarketID{"", la} {
		var got, want []dispatch.Sample
		for _, s := range all {
			if market == "" || s.Market == market {
				want = append(want, s)
			}
		}
		for f := (dispatch.SampleFilter{Market: market, Limit: 2}); ; {
			page, err := h.Samples(t.Context(), f)
			ok(t, "samples", err)
			got = append(got, page...)
			if len(page) < f.Limit {
				break
			}
			f.After = &page[len(page)-1]
		}
		sameSamples(t, "samples by the page", got, want)
	}
}

func cmpText[T ~string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func sampleTwice(t *testing.T, h *archive) {
	all := samples()
	ok(t, "add samples", h.AddSamples(t.Context(), all[:2]))
	other := all[1]
	other.Lat++
	ok(t, "add samples again", h.AddSamples(t.Context(), []dispatch.Sample{all[0], other, all[2]}))
	ok(t, "add none", h.AddSamples(t.Context(), nil))
	got, err := h.Samples(t.Context(), dispatch.SampleFilter{Limit: 50})
	ok(t, "samples", err)
	sameSamples(t, "samples", got, all[:3])
}

func sampleDrop(t *testing.T, h *archive) {
	all := samples() // from 06:10 on, seven hours apart: three of the first day, three of the second
	ok(t, "add samples", h.AddSamples(t.Context(), all))
	n, err := h.DropSamples(t.Context(), all[4].At)
	ok(t, "drop samples", err)
	same(t, "days dropped", n, 1)
	n, err = h.DropSamples(t.Context(), all[4].At)
	ok(t, "drop samples", err)
	same(t, "days dropped again", n, 0)
	got, err := h.Samples(t.Context(), dispatch.SampleFilter{Limit: 50})
	ok(t, "samples", err)
	sameSamples(t, "samples after the first day", got, all[3:])
	ok(t, "add to what was dropped", h.AddSamples(t.Context(), all[:3]))
	got, err = h.Samples(t.Context(), dispatch.SampleFilter{Limit: 50})
	ok(t, "samples", err)
	sameSamples(t, "samples with a day again", got, all)
}

func sampleErase(t *testing.T, h *archive) {
	all := samples()
	ok(t, "add samples", h.AddSamples(t.Context(), all))
	n, err := h.EraseSamples(t.Context(), "", []dispatch.OrderID{"o0", "o9"})
	ok(t, "erase samples of orders", err)
	same(t, "samples erased", n, int64(4))
	n, err = h.EraseSamples(t.Context(), "d1", nil)
	ok(t, "erase samples of a driver", err)
	got, err := h.Samples(t.Context(), dispatch.SampleFilter{Limit: 50})
	ok(t, "samples", err)
	want := slices.DeleteFunc(all, func(s dispatch.Sample) bool { return s.Order == "o0" || s.Driver == "d1" })
	sameSamples(t, "samples that are left", got, want)
	same(t, "samples erased", n, int64(11-4-len(want)))
}

func learntKept(t *testing.T, h *archive) {
	_, known, err := h.Learnt(t.Context(), sf, "speeds")
	ok(t, "learnt", err)
	same(t, "known before", known, false)
	for _, doc := range [][]byte{{}, {0, 1, 255}, []byte(`{"v":2}`)} {
		ok(t, "save", h.SaveLearnt(t.Context(), sf, "speeds", doc))
		ok(t, "save another", h.SaveLearnt(t.Context(), la, "speeds", []byte("of la")))
		h.reopen(t)
		got, known, err := h.Learnt(t.Context(), sf, "speeds")
		ok(t, "learnt", err)
		same(t, "learnt", got, doc)
		same(t, "known", known, true)
	}
}
