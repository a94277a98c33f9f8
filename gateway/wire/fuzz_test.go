package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
)

// requests are the messages that come from outside.
func requests() []any {
	return []any{
		&OrderCreate{}, &OrderCancel{}, &OrderWatch{}, &OrderUnwatch{}, &OrderAssign{}, &OrderUnassign{}, &OrderPriority{},
		&OrderSearch{}, &TripAdvance{}, &OfferAccept{}, &OfferDecline{}, &Telemetry{}, &Duty{}, &Auth{}, &Resume{},
	}
}

// FuzzDecode: no bytes make the reading panic; what is taken is valid UTF-8, is written and read to the same,
// and has a digest.
func FuzzDecode(f *testing.F) {
	for i, c := range refusals {
		f.Add(uint8(i), []byte(c.frame))
	}
	goldens, err := filepath.Glob(filepath.Join("testdata", "golden", "*.json"))
	if err != nil || len(goldens) == 0 {
		f.Fatalf("no goldens: %v", err)
	}
	for _, path := range goldens {
		frame, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for which := range requests() {
			f.Add(uint8(which), frame)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, frame []byte) {
		all := requests()
		into := all[int(which)%len(all)]
		refused := Decode(frame, into)
		if refused != nil {
			if refused.Code != dispatch.CodeBadRequest || refused.Detail == "" || !utf8.ValidString(refused.Field+refused.Detail) {
				t.Fatalf("%q is refused with %+v", frame, refused)
			}
			return
		}
		if !utf8.Valid(frame) {
			t.Fatalf("%q was taken", frame)
		}
		written, err := Encode(into)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(reflect.TypeOf(into).Elem()).Interface()
		if refused := Decode(written, back); refused != nil {
			t.Fatalf("%q was taken, but not when written again as %q: %v", frame, written, refused)
		}
		again, err := Encode(back)
		if err != nil || !bytes.Equal(written, again) {
			t.Fatalf("%q then %q (%v)", written, again, err)
		}
		if Digest(dispatch.OpCreate, into) != Digest(dispatch.OpCreate, back) {
			t.Fatalf("%q: the digest changed on the way", frame)
		}
	})
}

// FuzzKind: whatever Decode takes, the first look takes too.
func FuzzKind(f *testing.F) {
	for _, c := range refusals {
		f.Add([]byte(c.frame))
	}
	f.Add([]byte(`{"type":"duty","id":"k1","state":"online"}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		kind, id, refused := Kind(frame)
		if refused != nil && refused.Detail == "" {
			t.Fatalf("%q is refused without a word", frame)
		}
		if refused == nil && (kind == "" || id != nil && !dispatch.ValidID(string(*id))) {
			t.Fatalf("%q: type %q id %v", frame, kind, id)
		}
		whole := jsontext.Value(frame).IsValid() && jsontext.Value(frame).Kind() == '{'
		if whole && refused != nil && refused.Field == "" {
			t.Fatalf("%q is an object, but refused: %v", frame, refused)
		}
	})
}
