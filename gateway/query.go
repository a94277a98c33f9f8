package gateway

import (
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway/wire"
	"github.com/hexfleet/hexfleet/geo"
)

// Bounds of a page.
const (
	defaultLimit = 50
	maxLimit     = 500
)

// query is the parameters of a call; each is known to the call and given once. "" is left out.
type query map[string]string

// parseQuery refuses unknown and repeated parameters.
func parseQuery(raw string, known []string) (query, *dispatch.Error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, dispatch.Errorf(dispatch.CodeBadRequest, "", "the query is malformed")
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	q := query{}
	for _, name := range names {
		field := strings.ToValidUTF8(name, "\uFFFD")
		switch {
		case !slices.Contains(known, name):
			return nil, dispatch.Errorf(dispatch.CodeBadRequest, field, "unknown parameter")
		case len(values[name]) > 1:
			return nil, dispatch.Errorf(dispatch.CodeBadRequest, field, "given more than once")
		case values[name][0] == "":
			return nil, dispatch.Errorf(dispatch.CodeBadRequest, field, "must not be empty")
		}
		q[name] = values[name][0]
	}
	return q, nil
}

// id reads an identifier.
func (q query) id(name string) (string, *dispatch.Error) {
	if v, ok := q[name]; ok && !dispatch.ValidID(v) {
		return "", dispatch.Errorf(dispatch.CodeBadRequest, name, "must be 1 to %d characters of [A-Za-z0-9._:-]", dispatch.MaxIDLen)
	}
	return q[name], nil
}

// limit reads the length of a page.
func (q query) limit() (int, *dispatch.Error) {
	v, ok := q["limit"]
	if !ok {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxLimit {
		return 0, dispatch.Errorf(dispatch.CodeBadRequest, "limit", "must be a whole number from 1 to %d", maxLimit)
	}
	return n, nil
}

// states reads a list of order states.
func (q query) states() ([]dispatch.State, *dispatch.Error) {
	v, ok := q["state"]
	if !ok {
		return nil, nil
	}
	var states []dispatch.State
	for name := range strings.SplitSeq(v, ",") {
		state := dispatch.State(name)
		if !slices.Contains(dispatch.States(), state) {
			return nil, dispatch.Errorf(dispatch.CodeBadRequest, "state", "must be states of an order, parted by commas")
		}
		if !slices.Contains(states, state) {
			states = append(states, state)
		}
	}
	return states, nil
}

// span reads from and to, market time; zero where they are left out.
func (q query) span() (from, to time.Time, refused *dispatch.Error) {
	for _, c := range []struct {
		name string
		into *time.Time
	}{{"from", &from}, {"to", &to}} {
		v, ok := q[c.name]
		if !ok {
			continue
		}
		at, err := time.Parse(time.RFC3339, v)
		if err != nil || at.UTC().Year() < 1970 {
			return from, to, dispatch.Errorf(dispatch.CodeBadRequest, c.name,
				"must be a time in RFC 3339 of the years 1970 to 9999, such as 2008-05-31T06:10:00.000Z; a + is written %%2B")
		}
		*c.into = at.UTC()
	}
	if !to.IsZero() && from.After(to) {
		return from, to, dispatch.Errorf(dispatch.CodeBadRequest, "from", "must not be after to")
	}
	return from, to, nil
}

// place reads lat and lng, both required.
func (q query) place() (geo.LatLng, *dispatch.Error) {
	var p geo.LatLng
	for _, c := range []struct {
		name  string
		into  *float64
		limit error
	}{{"lat", &p.Lat, geo.ErrLat}, {"lng", &p.Lng, geo.ErrLng}} {
		v, ok := q[c.name]
		if !ok {
			return p, dispatch.Errorf(dispatch.CodeBadRequest, c.name, "required")
		}
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return p, dispatch.Errorf(dispatch.CodeBadRequest, c.name, "%v", c.limit)
		}
		*c.into = x
		if errors.Is(p.Validate(), c.limit) {
			return p, dispatch.Errorf(dispatch.CodeBadRequest, c.name, "%v", c.limit)
		}
	}
	return p, nil
}

// A cursor is opaque: the URL-safe base64 of the kind of its list and where the next page begins.

// cursor reads where a page begins; "" is the beginning.
func (q query) cursor(kind string) (string, *dispatch.Error) {
	v, ok := q["cursor"]
	if !ok {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(v)
	after, mine := strings.CutPrefix(string(raw), kind+" ")
	if err != nil || !mine || !dispatch.ValidID(after) {
		return "", dispatch.Errorf(dispatch.CodeBadRequest, "cursor", "must be the next_cursor of this list")
	}
	return after, nil
}

// pageOf cuts items, of which one more than limit was read, and gives the cursor of the next page. at tells
// where an item stands.
func pageOf[T, W any](items []T, limit int, kind string, at func(*T) string, tell func(*T) W) wire.List[W] {
	var list wire.List[W]
	if len(items) > limit {
		items = items[:limit]
		next := base64.RawURLEncoding.EncodeToString([]byte(kind + " " + at(&items[limit-1])))
		list.NextCursor = &next
	}
	list.Items = make([]W, len(items))
	for i := range items {
		list.Items[i] = tell(&items[i])
	}
	return list
}
