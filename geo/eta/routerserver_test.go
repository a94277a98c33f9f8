package eta_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// roads is a local server that speaks as OSRM and Valhalla do: their paths, parameters, answers and errors, as
// documented in docs/http.md of osrm-backend and docs/api/matrix of valhalla, the members that we do not read among
// them. Its ways: 10 m/s over twice the straight line; no place south of the equator is near a road, and there is
// no way to the east of 100 degrees.
type roads struct {
	*httptest.Server
	asked atomic.Int64
	pairs atomic.Int64
	// instead answers in the place of the router, when set.
	instead atomic.Pointer[http.HandlerFunc]
}

func newRoads(t testing.TB) *roads {
	s := &roads{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if h := s.instead.Load(); h != nil {
			(*h)(w, r)
			return
		}
		switch {
		case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/table/v1/driving/"):
			s.osrm(w, r)
		case r.Method == http.MethodPost && r.URL.Path == "/sources_to_targets":
			s.valhalla(w, r)
		default:
			http.Error(w, `{"code":"InvalidUrl","message":"URL string malformed"}`, http.StatusBadRequest)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *roads) answerInstead(h http.HandlerFunc) {
	if h == nil {
		s.instead.Store(nil)
		return
	}
	s.instead.Store(&h)
}

// hang answers nothing until the client has gone, which net/http sees only once the body is read.
func hang(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func drive(a, b geo.LatLng) (seconds, metres float64, ok bool) {
	metres = 2 * float64(geo.Distance(a, b))
	return metres / 10, metres, b.Lng <= 100
}

func fail(w http.ResponseWriter, format string, args ...any) {
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, format, args...)
}

func (s *roads) osrm(w http.ResponseWriter, r *http.Request) {
	places, err := osrmPlaces(strings.TrimPrefix(r.URL.Path, "/table/v1/driving/"))
	options := map[string]string{}
	for _, o := range strings.Split(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(o, "=")
		options[name] = value
	}
	from, err1 := osrmIndices(options["sources"], places)
	to, err2 := osrmIndices(options["destinations"], places)
	if err != nil || err1 != nil || err2 != nil || options["annotations"] != "duration,distance" {
		fail(w, `{"code":"InvalidQuery","message":"Query string malformed close to position 10"}`)
		return
	}
	if len(places) > 100 {
		fail(w, `{"code":"TooBig","message":"Too many table coordinates"}`)
		return
	}
	for i, p := range places {
		if p.Lat < 0 {
			fail(w, `{"code":"NoSegment","message":"Could not find a matching segment for coordinate %d"}`, i)
			return
		}
	}
	s.pairs.Add(int64(len(from) * len(to)))
	var durations, distances [][]any
	for _, a := range from {
		var times, lengths []any
		for _, b := range to {
			seconds, metres, ok := drive(a, b)
			if !ok {
				times, lengths = append(times, nil), append(lengths, nil)
				continue
			}
			times, lengths = append(times, float64(int(seconds*10+0.5))/10), append(lengths, float64(int(metres*10+0.5))/10)
		}
		durations, distances = append(durations, times), append(distances, lengths)
	}
	waypoint := map[string]any{"distance": 4.2, "name": "Friedrichstraße", "location": []float64{13.3, 52.5}}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"code": "Ok", "data_version": "2026-01-01T00:00:00Z", "durations": durations, "distances": distances,
		"sources": []any{waypoint}, "destinations": []any{waypoint},
	})
}

func osrmPlaces(text string) (out []geo.LatLng, err error) {
	for _, p := range strings.Split(text, ";") {
		lng, lat, ok := strings.Cut(p, ",")
		x, err1 := strconv.ParseFloat(lng, 64)
		y, err2 := strconv.ParseFloat(lat, 64)
		if !ok || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("place %q", p)
		}
		out = append(out, geo.LatLng{Lat: y, Lng: x})
	}
	return out, nil
}

func osrmIndices(text string, places []geo.LatLng) (out []geo.LatLng, err error) {
	for _, s := range strings.Split(text, ";") {
		i, err := strconv.Atoi(s)
		if err != nil || i < 0 || i >= len(places) {
			return nil, fmt.Errorf("index %q", s)
		}
		out = append(out, places[i])
	}
	return out, nil
}

func (s *roads) valhalla(w http.ResponseWriter, r *http.Request) {
	type place struct{ Lat, Lon float64 }
	var q struct {
		Sources, Targets []place
		Costing, Units   string
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Costing != "auto" || len(q.Sources) == 0 || len(q.Targets) == 0 {
		fail(w, `{"error_code":100,"error":"Failed to parse json request","status_code":400,"status":"Bad Request"}`)
		return
	}
	if len(q.Sources)*len(q.Targets) > 2500 {
		fail(w, `{"error_code":150,"error":"Exceeded max locations: 2500","status_code":400,"status":"Bad Request"}`)
		return
	}
	for _, p := range append(append([]place{}, q.Sources...), q.Targets...) {
		if p.Lat < 0 {
			fail(w, `{"error_code":171,"error":"No suitable edges near location","status_code":400,"status":"Bad Request"}`)
			return
		}
	}
	s.pairs.Add(int64(len(q.Sources) * len(q.Targets)))
	var rows [][]any
	found := false
	for i, a := range q.Sources {
		var row []any
		for j, b := range q.Targets {
			entry := map[string]any{"from_index": i, "to_index": j, "time": nil, "distance": nil}
			if seconds, metres, ok := drive(geo.LatLng{Lat: a.Lat, Lng: a.Lon}, geo.LatLng{Lat: b.Lat, Lng: b.Lon}); ok {
				entry["time"], entry["distance"], found = int(seconds), float64(int(metres))/1000, true
			}
			row = append(row, entry)
		}
		rows = append(rows, row)
	}
	if !found {
		fail(w, `{"error_code":442,"error":"No path could be found for input","status_code":400,"status":"Bad Request"}`)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"sources_to_targets": rows, "units": q.Units, "algorithm": "costmatrix",
		"sources": []any{q.Sources}, "targets": []any{q.Targets},
	})
}

// watch is a clock moved by hand.
type watch struct {
	mu  sync.Mutex
	now time.Time
}

func (w *watch) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *watch) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// kinds are the routers that every test of a Router is done with.
func kinds() []string { return []string{eta.SourceOSRM, eta.SourceValhalla} }

// router is a client of s. Its budget is long, so that no test fails on a busy machine.
func router(t testing.TB, kind string, s *roads, change func(*eta.RouterConfig)) (*eta.Router, *watch, *prometheus.Registry) {
	t.Helper()
	clock, registry := &watch{now: noon}, prometheus.NewRegistry()
	cfg := eta.RouterConfig{
		URL: kind + "+" + s.URL, Budget: time.Minute, Now: clock.Now, Log: slog.New(slog.DiscardHandler), Registry: registry,
	}
	if change != nil {
		change(&cfg)
	}
	r, err := eta.NewRouter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r, clock, registry
}

// metric reads a counter or gauge; label is the value of its other label than router, "" for none.
func metric(t testing.TB, registry *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var got string
			for _, l := range m.GetLabel() {
				if l.GetName() != "router" {
					got = l.GetValue()
				}
			}
			if got == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}
