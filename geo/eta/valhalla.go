package eta

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"

	"github.com/hexfleet/hexfleet/geo"
)

// valhalla is the matrix service of Valhalla 3 (docs/api/matrix/api-reference.md of valhalla/valhalla):
//
//	POST /sources_to_targets {"sources":[{"lat":…,"lon":…}],"targets":[…],"costing":"auto","units":"kilometers"}
//	{"sources_to_targets":[[{"from_index":0,"to_index":0,"time":seconds,"distance":km},…],…],"units":"kilometers",…}
//
// An error is HTTP 400 with {"error_code":171,"error":"…","status_code":400,"status":"Bad Request"}. A time of null
// is a pair without a way; when there is none at all, the answer is error 442.
type valhalla struct{ costing string }

type valhallaPlace struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

type valhallaQuestion struct {
	Sources []valhallaPlace `json:"sources"`
	Targets []valhallaPlace `json:"targets"`
	Costing string          `json:"costing"`
	Units   string          `json:"units"`
	Verbose bool            `json:"verbose"`
}

type valhallaAnswer struct {
	ErrorCode        int               `json:"error_code"`
	Error            string            `json:"error"`
	Units            string            `json:"units"`
	SourcesToTargets [][]*valhallaPair `json:"sources_to_targets"`
}

type valhallaPair struct {
	From     *int     `json:"from_index"`
	To       *int     `json:"to_index"`
	Time     *float64 `json:"time"`
	Distance *float64 `json:"distance"`
}

func (valhalla) source() string { return SourceValhalla }

func (v valhalla) request(ctx context.Context, base *url.URL, sources, targets []geo.LatLng) (*http.Request, error) {
	question := valhallaQuestion{
		Sources: valhallaPlaces(sources), Targets: valhallaPlaces(targets), Costing: v.costing, Units: "kilometers", Verbose: true,
	}
	body, err := json.Marshal(&question)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base.JoinPath("sources_to_targets").String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

func valhallaPlaces(places []geo.LatLng) []valhallaPlace {
	out := make([]valhallaPlace, len(places))
	for i, p := range places {
		out[i] = valhallaPlace{Lat: p.Lat, Lon: p.Lng}
	}
	return out
}

// valhallaRefuses are the errors that are of the places, not of the router: 154 the way is too long, 170 regions
// that are not connected, 171 no road near a place, 442 no way at all.
func valhallaRefuses(code int) bool { return code == 154 || code == 170 || code == 171 || code == 442 }

func (valhalla) read(status int, body []byte, sources, targets int) ([][]Estimate, error) {
	var a valhallaAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("%w: HTTP %d: %w", ErrAnswer, status, err)
	}
	switch {
	case valhallaRefuses(a.ErrorCode):
		return nil, fmt.Errorf("%w: error %d: %s", ErrRefused, a.ErrorCode, shortened(a.Error))
	case a.ErrorCode != 0 || status != http.StatusOK:
		return nil, fmt.Errorf("%w: HTTP %d, error %d: %s", ErrAnswer, status, a.ErrorCode, shortened(a.Error))
	case a.Units != "kilometers":
		return nil, fmt.Errorf("%w: its units are %s", ErrAnswer, shortened(a.Units))
	case len(a.SourcesToTargets) != sources:
		return nil, fmt.Errorf("%w: it has %d rows, not %d", ErrAnswer, len(a.SourcesToTargets), sources)
	}
	rows := newRows(sources, targets)
	for i, row := range a.SourcesToTargets {
		if len(row) != targets {
			return nil, fmt.Errorf("%w: row %d has %d entries, not %d", ErrAnswer, i, len(row), targets)
		}
		for j, p := range row {
			if p == nil || p.From == nil || p.To == nil || *p.From != i || *p.To != j {
				return nil, fmt.Errorf("%w: entry %d, %d is of another pair", ErrAnswer, i, j)
			}
			var err error
			if rows[i][j], err = routed(p.Time, p.Distance, 1000, SourceValhalla); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}
