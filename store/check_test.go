package store

import (
	"errors"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// sound is a batch with one of each that Check finds nothing wrong with.
func sound() *dispatch.Batch {
	o := fullOrder()
	d := dispatch.Duty{Driver: "d1", Market: "sf", Version: 2, Online: true}
	return &dispatch.Batch{
		Market: "sf", At: at,
		Events: []dispatch.Event{
			{Market: "sf", Seq: 4, Version: o.Version, To: o.State, Order: &o, At: at},
			{Market: "sf", Seq: 5, Version: 2, Type: dispatch.EventDriverOnline, Duty: &d, At: at},
		},
		Offers:  []dispatch.Offer{{ID: "f1", Market: "sf"}},
		Answers: []dispatch.Answer{{Sub: "r1", Market: "sf", Key: dispatch.Key{ID: "k1"}}},
	}
}

func TestCheck(t *testing.T) {
	for _, b := range []*dispatch.Batch{sound(), {Market: "sf"}} {
		if err := Check(b); err != nil {
			t.Errorf("%+v: %v", b, err)
		}
	}
	for sentence, spoil := range map[string]func(*dispatch.Batch){
		"event of another market":       func(b *dispatch.Batch) { b.Events[0].Market, b.Events[0].Order.Market = "la", "la" },
		"hole in seq":                   func(b *dispatch.Batch) { b.Events[1].Seq++ },
		"seq told twice":                func(b *dispatch.Batch) { b.Events[1].Seq-- },
		"seq of 0":                      func(b *dispatch.Batch) { b.Events[0].Seq, b.Events[1].Seq = 0, 1 },
		"event of nothing":              func(b *dispatch.Batch) { b.Events[0].Order = nil },
		"event of two":                  func(b *dispatch.Batch) { b.Events[0].Duty = b.Events[1].Duty },
		"order of another market":       func(b *dispatch.Batch) { b.Events[0].Order.Market = "la" },
		"order at another version":      func(b *dispatch.Batch) { b.Events[0].Order.Version++ },
		"order in another state":        func(b *dispatch.Batch) { b.Events[0].To = dispatch.StateSearching },
		"duty of another market":        func(b *dispatch.Batch) { b.Events[1].Duty.Market = "la" },
		"duty at another version":       func(b *dispatch.Batch) { b.Events[1].Duty.Version++ },
		"duty off in an online event":   func(b *dispatch.Batch) { b.Events[1].Duty.Online = false },
		"duty on in an offline event":   func(b *dispatch.Batch) { b.Events[1].Type = dispatch.EventDriverOffline },
		"offer of another market":       func(b *dispatch.Batch) { b.Offers[0].Market = "la" },
		"answer of another market":      func(b *dispatch.Batch) { b.Answers[0].Market = "la" },
		"answer that no key leads back": func(b *dispatch.Batch) { b.Answers[0].Key.ID = "" },
	} {
		b := sound()
		spoil(b)
		if err := Check(b); !errors.Is(err, dispatch.ErrRefused) {
			t.Errorf("%s gave %v, want a refusal", sentence, err)
		}
	}
}

func TestLatest(t *testing.T) {
	b := sound()
	if got := Latest(b); !got.Equal(at) {
		t.Errorf("latest is %v, want the batch's %v", got, at)
	}
	b.Events[0].At = at.Add(time.Second + time.Nanosecond)
	if got, want := Latest(b), at.Add(time.Second+time.Microsecond); !got.Equal(want) {
		t.Errorf("latest is %v, want the event's, rounded up: %v", got, want)
	}
	if got := Latest(&dispatch.Batch{}); !got.IsZero() {
		t.Errorf("latest of a batch that tells no time is %v", got)
	}
}
