package bus

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

var rewrite = flag.Bool("rewrite", false, "write the goldens anew")

func TestEncodeEvent(t *testing.T) {
	t.Run("what_is_public_survives_the_trip", func(t *testing.T) {
		bare := anEvent(2)
		bare.Driver, bare.Offer = "", ""
		bare.Order.Driver, bare.Order.CancelledBy, bare.Order.Reason, bare.Order.NextStop = "", "", "", 0
		bare.Order.PickupAt, bare.Order.PickupETA, bare.Order.DropoffETA = time.Time{}, time.Time{}, time.Time{}
		for _, e := range []*dispatch.Event{anEvent(1), bare, anEvent(5)} {
			b, err := EncodeEvent(e)
			if err != nil {
				t.Fatal(err)
			}
			back, err := DecodeEvent(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, back); diff != "" {
				t.Errorf("seq %d: sent (-), got (+):\n%s", e.Seq, diff)
			}
		}
	})
	t.Run("what_is_private_stays", func(t *testing.T) {
		e := anEvent(1)
		e.Order.Bars = []dispatch.Bar{{Driver: "barred-one"}}
		e.Order.Priority, e.Order.SearchSince, e.Order.ChangedAt = 7, base, base
		b, err := EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("barred-one")) {
			t.Errorf("the envelope tells who is barred: %s", b)
		}
	})
	t.Run("any_reader_of_cloudevents_understands_it", func(t *testing.T) {
		for _, e := range []*dispatch.Event{anEvent(1), anEvent(5)} {
			b, err := EncodeEvent(e)
			if err != nil {
				t.Fatal(err)
			}
			var theirs event.Event
			if err := json.Unmarshal(b, &theirs); err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			if err := theirs.Validate(); err != nil {
				t.Errorf("%s: %v", b, err)
			}
			if theirs.ID() != MessageID(e.Market, e.Seq) || !theirs.Time().Equal(e.At) || theirs.DataContentType() != contentType ||
				!json.Valid(theirs.Data()) {
				t.Errorf("%s was read as %+v", b, theirs)
			}
		}
	})
	t.Run("the_format_is_pinned", func(t *testing.T) {
		var got bytes.Buffer
		for _, e := range []*dispatch.Event{anEvent(1), anEvent(5)} {
			b, err := EncodeEvent(e)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Indent(&got, b, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
		}
		golden(t, "testdata/events.json", got.Bytes())
	})
}

func TestDecodeEvent(t *testing.T) {
	good, err := EncodeEvent(anEvent(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another_type":       {`"com.hexfleet.order.en_route_to_pickup"`, `"com.hexfleet.order.completed"`},
		"another_id":         {`"id":"sf:1"`, `"id":"sf:2"`},
		"no_source":          {`/hexfleet/markets/sf`, ``},
		"neither_order_duty": {`"order":{`, `"other":{`},
		"broken_json":        {`"data":{`, `"data":`},
	} {
		t.Run(name+"_is_refused", func(t *testing.T) {
			bad := strings.Replace(string(good), change[0], change[1], 1)
			if bad == string(good) {
				t.Fatalf("%q is not in %s", change[0], good)
			}
			if e, err := DecodeEvent([]byte(bad)); err == nil {
				t.Errorf("decoded %s to %+v", bad, e)
			}
		})
	}
	t.Run("a_new_member_is_ignored", func(t *testing.T) {
		newer := strings.Replace(string(good), `"version":`, `"brand_new":{"x":1},"version":`, 1)
		if _, err := DecodeEvent([]byte(newer)); err != nil {
			t.Error(err)
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	for seq := range int64(6) {
		b, err := EncodeEvent(anEvent(seq + 1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEvent(b)
		if err != nil {
			return
		}
		again, err := EncodeEvent(e)
		if err != nil {
			return // such as an id that no subject may be made of: what we write is stricter than what we read
		}
		back, err := DecodeEvent(again)
		if err != nil {
			t.Fatalf("%s was decoded, but %s is not: %v", b, again, err)
		}
		if diff := cmp.Diff(e, back, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s changed on its way (-, +):\n%s", b, diff)
		}
	})
}

// hints are one of each message that is not kept.
func hints() (notices []*dispatch.Notice, position *dispatch.Position) {
	live := dispatch.Offer{
		ID: "offer-1", Order: "o1", Market: "sf", Driver: "d.1", State: dispatch.OfferLive,
		Pickup: 90 * time.Second, Trip: 600 * time.Second, Source: "straight",
		CreatedAt: base, ExpiresAt: base.Add(15 * time.Second),
	}
	ended := live
	ended.State, ended.EndedAt, ended.Reason = dispatch.OfferWithdrawn, base.Add(time.Second), "cancelled"
	order := anOrder()
	return []*dispatch.Notice{{Offer: live, Order: order}, {Offer: ended}}, &dispatch.Position{
		Order: "o1", Rider: "r1", Driver: "d.1", Market: "sf", PickupETA: base.Add(time.Minute),
		Fix: geo.Fix{
			LatLng: geo.LatLng{Lat: 37.77, Lng: -122.4}, At: base,
			HeadingDeg: math.NaN(), SpeedMps: 8.5, AccuracyM: 5,
		},
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-), got (+); go test -rewrite writes it anew:\n%s", path, diff)
	}
}

// BenchmarkEnvelope is what one event costs on its way over the bus, besides the bus.
func BenchmarkEnvelope(b *testing.B) {
	e := anEvent(1)
	encoded, err := EncodeEvent(e)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := EncodeEvent(e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeEvent(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
}
