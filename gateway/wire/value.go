package wire

import (
	"errors"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// layout is RFC 3339 with exactly milliseconds; the zone is always UTC.
const layout = "2006-01-02T15:04:05.000Z"

// Limits that the contract leaves to the server; the OpenAPI document repeats them.
const (
	// MaxReason is the longest reason, in characters.
	MaxReason = 256
	// MaxPoints is the most points in one telemetry message.
	MaxPoints = 100
	// MaxResume is the most orders one resume may name.
	MaxResume = 100
	// MaxTags is the most tags of one duty.
	MaxTags = 32
	// MaxCapacity is the most orders a driver may offer to hold at once.
	MaxCapacity = 32
)

// idLimit is what every malformed id is told.
const idLimit = "must be 1 to 64 characters of [A-Za-z0-9._:-]"

// ID is an opaque identifier, at most 64 characters of [A-Za-z0-9._:-]; "" is none. Vehicle classes and tags
// keep to the same alphabet.
type ID string

// UnmarshalText implements encoding.TextUnmarshaler; it refuses what is no identifier.
func (id *ID) UnmarshalText(text []byte) error {
	if !dispatch.ValidID(string(text)) {
		return bad("", idLimit)
	}
	*id = ID(text)
	return nil
}

// Time is an instant in UTC with exactly milliseconds; the zero Time is none.
type Time struct{ time.Time }

// TimeOf cuts an instant to what the protocol tells.
func TimeOf(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// timeOrNil is nil for the zero instant.
func timeOrNil(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	at := TimeOf(t)
	return &at
}

// MarshalJSONTo writes the instant; it hides the method of the embedded time.Time.
func (t Time) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(t.UTC().Format(layout)))
}

// UnmarshalJSONFrom reads any RFC 3339 instant of the years 1970 to 9999; finer than a millisecond is cut.
func (t *Time) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() == 'n' {
		*t = Time{}
		return nil
	}
	var at time.Time
	if tok.Kind() != '"' || at.UnmarshalText([]byte(tok.String())) != nil {
		return bad("", "must be a time in RFC 3339, such as 2008-05-31T06:10:00.000Z")
	}
	at = at.UTC()
	if at.Year() < 1970 || at.Year() > 9999 {
		return bad("", "must be a time of the years 1970 to 9999")
	}
	*t = TimeOf(at)
	return nil
}

func idOrNil[T ~string](s T) *ID {
	if s == "" {
		return nil
	}
	id := ID(s)
	return &id
}

func textOrNil[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	text := string(s)
	return &text
}

// finite is nil for a number that is not known (NaN).
func finite(x float64) *float64 {
	if x != x {
		return nil
	}
	return &x
}

// seconds tells a span in seconds, to the millisecond.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}

func validPlace(field string, lat, lng float64) *dispatch.Error {
	err := geo.LatLng{Lat: lat, Lng: lng}.Validate()
	switch {
	case errors.Is(err, geo.ErrLat):
		return bad(field+"/lat", "%v", geo.ErrLat)
	case errors.Is(err, geo.ErrLng):
		return bad(field+"/lng", "%v", geo.ErrLng)
	}
	return nil
}

func validReason(reason string) *dispatch.Error {
	if utf8.RuneCountInString(reason) > MaxReason {
		return bad("/reason", "must be at most %d characters", MaxReason)
	}
	for _, r := range reason {
		if unicode.IsControl(r) {
			return bad("/reason", "must have no control characters")
		}
	}
	return nil
}

func required(field string, id ID) *dispatch.Error {
	if id == "" {
		return bad(field, "required")
	}
	return nil
}

// first gives the first refusal of several checks.
func first(checks ...*dispatch.Error) *dispatch.Error {
	for _, e := range checks {
		if e != nil {
			return e
		}
	}
	return nil
}
