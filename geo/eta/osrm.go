package eta

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/geo"
)

// osrm is the table service of OSRM 5 and 6 (docs/http.md of Project-OSRM/osrm-backend):
//
//	GET /table/v1/{profile}/{lng,lat;…}?sources=0;1&destinations=2&annotations=duration,distance&generate_hints=false
//	{"code":"Ok","durations":[[seconds or null,…],…],"distances":[[metres or null,…],…],…}
//
// An error is HTTP 400 with {"code":"NoSegment","message":"…"}. A null is a pair without a way. Names of streets stand
// in the answer too, as mappers wrote them: they are not read, and need not be UTF-8.
type osrm struct{ profile string }

type osrmAnswer struct {
	Code      string       `json:"code"`
	Message   string       `json:"message"`
	Durations [][]*float64 `json:"durations"`
	Distances [][]*float64 `json:"distances"`
}

func (osrm) source() string { return SourceOSRM }

func (o osrm) request(ctx context.Context, base *url.URL, sources, targets []geo.LatLng) (*http.Request, error) {
	places := appendPlaces(nil, sources)
	places = append(places, ';')
	places = appendPlaces(places, targets)
	u := base.JoinPath("table", "v1", o.profile, string(places))
	u.RawQuery = "sources=" + indices(0, len(sources)) + "&destinations=" + indices(len(sources), len(targets)) +
		"&annotations=duration,distance&generate_hints=false"
	return http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
}

// indices are n numbers from first on, with semicolons between.
func indices(first, n int) string {
	var b []byte
	for i := range n {
		if i > 0 {
			b = append(b, ';')
		}
		b = strconv.AppendInt(b, int64(first+i), 10)
	}
	return string(b)
}

func (osrm) read(status int, body []byte, sources, targets int) ([][]Estimate, error) {
	var a osrmAnswer
	if err := json.Unmarshal(body, &a, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, fmt.Errorf("%w: HTTP %d: %w", ErrAnswer, status, err)
	}
	switch {
	case a.Code == "NoSegment" || a.Code == "NoTable":
		return nil, fmt.Errorf("%w: %s: %s", ErrRefused, a.Code, shortened(a.Message))
	case a.Code != "Ok" || status != http.StatusOK:
		return nil, fmt.Errorf("%w: HTTP %d, code %q: %s", ErrAnswer, status, shortened(a.Code), shortened(a.Message))
	case !isTable(a.Durations, sources, targets) || !isTable(a.Distances, sources, targets):
		return nil, fmt.Errorf("%w: its tables are not %d x %d", ErrAnswer, sources, targets)
	}
	rows := newRows(sources, targets)
	for i := range rows {
		for j := range rows[i] {
			var err error
			if rows[i][j], err = routed(a.Durations[i][j], a.Distances[i][j], 1, SourceOSRM); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

func isTable(rows [][]*float64, sources, targets int) bool {
	if len(rows) != sources {
		return false
	}
	for _, row := range rows {
		if len(row) != targets {
			return false
		}
	}
	return true
}

// routed is a router's estimate from seconds and a distance in units of so many metres; none where one is null.
func routed(seconds, distance *float64, unit geo.Meters, source string) (Estimate, error) {
	if seconds == nil || distance == nil {
		return Estimate{}, nil
	}
	if !(*seconds >= 0 && *seconds <= maxTravel.Seconds()) || !(*distance >= 0 && *distance <= 1e9) {
		return Estimate{}, fmt.Errorf("%w: %v s for a distance of %v", ErrAnswer, *seconds, *distance)
	}
	return Estimate{
		Duration: time.Duration(math.Round(*seconds*1000)) * time.Millisecond,
		Distance: geo.Meters(*distance) * unit,
		Source:   source,
	}, nil
}

// shortened is a router's text as it may stand in our log.
func shortened(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strconv.Quote(text)
}
