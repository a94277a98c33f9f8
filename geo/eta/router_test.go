package eta_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// line gives n places a kilometre apart, from a place on to the east.
func line(p geo.LatLng, n int) []geo.LatLng {
	out := make([]geo.LatLng, n)
	for i := range out {
		out[i] = east(p, 1000*float64(i))
	}
	return out
}

func TestNewRouter(t *testing.T) {
	t.Run("takes_what_names_a_router", func(t *testing.T) {
		for _, url := range []string{
			"osrm+http://localhost:5000", "osrm+https://user:secret@maps.example/prefix/?profile=bike_2", "valhalla+http://[::1]:8002/",
			"valhalla+https://maps.example?costing=motor_scooter",
		} {
			if _, err := eta.NewRouter(eta.RouterConfig{URL: url, Now: noonNow, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()}); err != nil {
				t.Errorf("%s: %v", url, err)
			}
		}
	})

	t.Run("refuses_what_does_not", func(t *testing.T) {
		for _, url := range []string{
			"", "http://localhost:5000", "osrm://localhost", "google+http://localhost", "osrm+http://", "osrm+http:localhost:5000", "localhost:5000",
			"osrm+http://h?costing=auto", "valhalla+http://h?profile=x", "osrm+http://h?profile=a&profile=b", "osrm+http://h?profile=../x",
			"osrm+http://h#part", "osrm+http://h:port", "osrm+http://[::1", "osrm+http://h/%zz",
		} {
			if _, err := eta.NewRouter(eta.RouterConfig{URL: url, Now: noonNow, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()}); err == nil {
				t.Errorf("%s was taken", url)
			}
		}
	})

	t.Run("tells_no_password", func(t *testing.T) {
		_, err := eta.NewRouter(eta.RouterConfig{URL: "osrm+http://user:secret@h:port"})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRouter_Matrix(t *testing.T) {
	home := geo.LatLng{Lat: 48, Lng: 11}
	for _, kind := range kinds() {
		t.Run(kind+"/is_the_router's_table", func(t *testing.T) {
			s := newRoads(t)
			r, _, _ := router(t, kind, s, nil)
			from, to := line(home, 5), line(geo.LatLng{Lat: 48.1, Lng: 11}, 3)
			rows, err := r.Matrix(t.Context(), from, to)
			if err != nil || len(rows) != 5 || len(rows[0]) != 3 {
				t.Fatalf("%v, %v", rows, err)
			}
			for i := range from {
				for j := range to {
					seconds, metres, _ := drive(from[i], to[j])
					e := rows[i][j]
					if math.Abs(e.Duration.Seconds()-seconds) > 1 || math.Abs(float64(e.Distance)-metres) > 1 || e.Source != kind {
						t.Errorf("entry %d, %d is %+v, want %v s and %v m", i, j, e, seconds, metres)
					}
				}
			}
		})

		t.Run(kind+"/large_tables_are_asked_in_parts", func(t *testing.T) {
			s := newRoads(t)
			r, _, _ := router(t, kind, s, nil)
			rows, err := r.Matrix(t.Context(), line(home, 130), line(geo.LatLng{Lat: 48.1, Lng: 11}, 60))
			if err != nil || s.asked.Load() != 6 || s.pairs.Load() != 130*60 {
				t.Fatalf("%v, %d requests, %d pairs", err, s.asked.Load(), s.pairs.Load())
			}
			for i := range rows {
				for j := range rows[i] {
					if rows[i][j].Source != kind {
						t.Fatalf("entry %d, %d is %+v", i, j, rows[i][j])
					}
				}
			}
		})

		t.Run(kind+"/a_pair_without_a_way_has_no_estimate_and_is_remembered", func(t *testing.T) {
			s := newRoads(t)
			r, _, _ := router(t, kind, s, nil)
			to := []geo.LatLng{{Lat: 48, Lng: 11.1}, {Lat: 48, Lng: 101}}
			for range 2 {
				rows, err := r.Matrix(t.Context(), []geo.LatLng{home}, to)
				if err != nil || rows[0][0].Source != kind || rows[0][1] != (eta.Estimate{}) {
					t.Fatalf("%+v, %v", rows, err)
				}
			}
			if n := s.asked.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})

		t.Run(kind+"/answers_are_used_again_nearby_and_for_a_while", func(t *testing.T) {
			s := newRoads(t)
			r, clock, registry := router(t, kind, s, func(c *eta.RouterConfig) { c.CacheFor = time.Minute })
			ask := func(a geo.LatLng) {
				t.Helper()
				if rows, err := r.Matrix(t.Context(), []geo.LatLng{a}, []geo.LatLng{{Lat: 48.1, Lng: 11}}); err != nil || rows[0][0].Source != kind {
					t.Fatalf("%+v, %v", rows, err)
				}
			}
			for i, step := range []struct {
				p     geo.LatLng
				after time.Duration
				asked int64
			}{{home, 0, 1}, {home, 0, 1}, {east(home, 1), 59 * time.Second, 1}, {east(home, 1000), 0, 2}, {home, 2 * time.Second, 3}} {
				clock.advance(step.after)
				ask(step.p)
				if n := s.asked.Load(); n != step.asked {
					t.Errorf("step %d: asked %d times, want %d", i, n, step.asked)
				}
			}
			for answer, want := range map[string]float64{"cache": 2, "router": 3, "none": 0} {
				if n := metric(t, registry, "hexfleet_eta_pairs_total", answer); n != want {
					t.Errorf("%v pairs by %s, want %v", n, answer, want)
				}
			}
			if n := metric(t, registry, "hexfleet_eta_requests_total", "ok"); n != 3 {
				t.Errorf("%v requests that went well", n)
			}
		})

		t.Run(kind+"/only_what_is_not_known_is_asked", func(t *testing.T) {
			s := newRoads(t)
			r, _, _ := router(t, kind, s, nil)
			from, to := line(home, 4), []geo.LatLng{{Lat: 48.1, Lng: 11}}
			for _, part := range [][]geo.LatLng{from[:2], from} {
				if _, err := r.Matrix(t.Context(), part, to); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.pairs.Load(); n != 4 {
				t.Errorf("asked for %d pairs", n)
			}
		})

		t.Run(kind+"/the_oldest_answers_are_forgotten_first", func(t *testing.T) {
			s := newRoads(t)
			r, _, _ := router(t, kind, s, func(c *eta.RouterConfig) { c.CacheSize = 2 })
			to := []geo.LatLng{{Lat: 48.1, Lng: 11}}
			for _, i := range []int{0, 1, 0, 2, 0, 1} { // 2 drives 1 out, as 0 was used since
				if _, err := r.Matrix(t.Context(), line(home, 3)[i:i+1], to); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.asked.Load(); n != 4 {
				t.Errorf("asked %d times", n)
			}
		})

		t.Run(kind+"/a_place_off_the_map_is_refused_without_resting", func(t *testing.T) {
			s := newRoads(t)
			r, _, _ := router(t, kind, s, nil)
			for range 5 {
				_, err := r.Matrix(t.Context(), []geo.LatLng{{Lat: -1, Lng: 11}}, []geo.LatLng{home})
				if !errors.Is(err, eta.ErrRefused) {
					t.Fatalf("got %v", err)
				}
			}
			if rows, err := r.Matrix(t.Context(), []geo.LatLng{east(home, 500)}, []geo.LatLng{home}); err != nil || rows[0][0].Source != kind {
				t.Errorf("%+v, %v", rows, err)
			}
		})

		t.Run(kind+"/nobody_asks_for_nothing", func(t *testing.T) {
			s := newRoads(t)
			r, _, _ := router(t, kind, s, nil)
			if rows, err := r.Matrix(t.Context(), nil, []geo.LatLng{home}); err != nil || len(rows) != 0 || s.asked.Load() != 0 {
				t.Errorf("%v, %v", rows, err)
			}
		})
	}
}

// nonsense are answers that no router should give.
func nonsense(kind string) map[string]string {
	if kind == eta.SourceValhalla {
		return map[string]string{
			"a_row_too_few":     `{"sources_to_targets":[],"units":"kilometers"}`,
			"an_entry_too_many": `{"sources_to_targets":[[{"from_index":0,"to_index":0,"time":1,"distance":1},{"from_index":0,"to_index":1,"time":1,"distance":1}]],"units":"kilometers"}`,
			"of_another_pair":   `{"sources_to_targets":[[{"from_index":0,"to_index":1,"time":1,"distance":1}]],"units":"kilometers"}`,
			"of_no_pair":        `{"sources_to_targets":[[{"time":1,"distance":1}]],"units":"kilometers"}`,
			"null":              `{"sources_to_targets":[[null]],"units":"kilometers"}`,
			"negative":          `{"sources_to_targets":[[{"from_index":0,"to_index":0,"time":-1,"distance":1}]],"units":"kilometers"}`,
			"of_a_year":         `{"sources_to_targets":[[{"from_index":0,"to_index":0,"time":31536000,"distance":1}]],"units":"kilometers"}`,
			"a_text":            `{"sources_to_targets":[[{"from_index":0,"to_index":0,"time":"1","distance":1}]],"units":"kilometers"}`,
			"in_miles":          `{"sources_to_targets":[[{"from_index":0,"to_index":0,"time":1,"distance":1}]],"units":"miles"}`,
			"not_verbose":       `{"sources_to_targets":{"durations":[[1]],"distances":[[1]]},"units":"kilometers"}`,
			"another_case":      `{"Sources_to_targets":[[{"from_index":0,"to_index":0,"time":1,"distance":1}]],"units":"kilometers"}`,
		}
	}
	return map[string]string{
		"a_row_too_few":     `{"code":"Ok","durations":[],"distances":[]}`,
		"a_row_too_many":    `{"code":"Ok","durations":[[1],[1]],"distances":[[1],[1]]}`,
		"an_entry_too_many": `{"code":"Ok","durations":[[1,1]],"distances":[[1,1]]}`,
		"without_distances": `{"code":"Ok","durations":[[1]]}`,
		"negative":          `{"code":"Ok","durations":[[-1]],"distances":[[1]]}`,
		"of_a_year":         `{"code":"Ok","durations":[[31536000]],"distances":[[1]]}`,
		"infinite":          `{"code":"Ok","durations":[[1e999]],"distances":[[1]]}`,
		"a_text":            `{"code":"Ok","durations":[["1"]],"distances":[[1]]}`,
		"without_a_code":    `{"durations":[[1]],"distances":[[1]]}`,
		"twice":             `{"code":"Ok","durations":[[1]],"durations":[[2]],"distances":[[1]]}`,
	}
}

func TestRouter_Matrix_trouble(t *testing.T) {
	home, away := geo.LatLng{Lat: 48, Lng: 11}, geo.LatLng{Lat: 48.1, Lng: 11}
	for _, kind := range kinds() {
		for name, text := range nonsense(kind) {
			t.Run(kind+"/an_answer_is_refused/"+name, func(t *testing.T) {
				s := newRoads(t)
				s.answerInstead(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
				r, _, _ := router(t, kind, s, nil)
				rows, err := r.Matrix(t.Context(), []geo.LatLng{home}, []geo.LatLng{away})
				if !errors.Is(err, eta.ErrAnswer) || rows[0][0] != (eta.Estimate{}) {
					t.Errorf("%+v, %v", rows, err)
				}
			})
		}
		good := map[string]string{
			eta.SourceOSRM:     `{"code":"Ok","durations":[[1]],"distances":[[1]]}`,
			eta.SourceValhalla: `{"sources_to_targets":[[{"from_index":0,"to_index":0,"time":1,"distance":1}]],"units":"kilometers"}`,
		}
		broken := map[string]http.HandlerFunc{
			"an_error_of_the_server": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oh no", http.StatusInternalServerError) },
			"an_error_of_a_proxy":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) },
			"nothing":                func(http.ResponseWriter, *http.Request) {},
			"a_part":                 func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"code":"Ok","durations":[[1`) },
			"less_than_it_says": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				_, _ = io.WriteString(w, `{"code":`)
			},
			"too_much": func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, good[kind]+strings.Repeat(" ", 5<<20))
			},
			"a_cut_connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"another_address":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
			"a_refusal_of_all": func(w http.ResponseWriter, _ *http.Request) { fail(w, `{"code":"TooBig","error_code":150}`) },
		}
		for name, answer := range broken {
			t.Run(kind+"/is_left_alone_after/"+name, func(t *testing.T) {
				s := newRoads(t)
				s.answerInstead(answer)
				r, clock, _ := router(t, kind, s, func(c *eta.RouterConfig) { c.Failures, c.Pause = 2, time.Minute })
				for i := range 6 {
					_, err := r.Matrix(t.Context(), []geo.LatLng{home}, []geo.LatLng{away})
					if err == nil || errors.Is(err, eta.ErrResting) != (i >= 2) {
						t.Fatalf("question %d: %v", i, err)
					}
				}
				before := s.asked.Load()
				clock.advance(2 * time.Minute)
				if _, err := r.Matrix(t.Context(), []geo.LatLng{home}, []geo.LatLng{away}); err == nil || errors.Is(err, eta.ErrResting) {
					t.Errorf("after the pause: %v", err)
				}
				if _, err := r.Matrix(t.Context(), []geo.LatLng{home}, []geo.LatLng{away}); !errors.Is(err, eta.ErrResting) {
					t.Errorf("after another failure: %v", err)
				}
				if n := s.asked.Load() - before; n < 1 || n > 2 { // net/http repeats a GET over a connection that was cut
					t.Errorf("asked %d times after the pause", n)
				}
				s.answerInstead(nil)
				clock.advance(2 * time.Minute)
				for i := range 2 {
					if rows, err := r.Matrix(t.Context(), line(home, 2)[i:i+1], []geo.LatLng{away}); err != nil || rows[0][0].Source != kind {
						t.Errorf("when it works again: %+v, %v", rows, err)
					}
				}
			})
		}

		t.Run(kind+"/a_slow_router_costs_the_budget_only", func(t *testing.T) {
			s := newRoads(t)
			s.answerInstead(func(_ http.ResponseWriter, r *http.Request) { hang(r) })
			r, _, registry := router(t, kind, s, func(c *eta.RouterConfig) { c.Budget, c.Failures = time.Millisecond, 1 })
			if _, err := r.Matrix(t.Context(), []geo.LatLng{home}, []geo.LatLng{away}); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v", err)
			}
			if _, err := r.Matrix(t.Context(), []geo.LatLng{home}, []geo.LatLng{away}); !errors.Is(err, eta.ErrResting) {
				t.Errorf("got %v", err)
			}
			if metric(t, registry, "hexfleet_eta_router_resting", "") != 1 || metric(t, registry, "hexfleet_eta_requests_total", "failed") != 1 {
				t.Error("the metrics do not tell of it")
			}
		})

		t.Run(kind+"/an_asker_who_leaves_says_nothing_of_the_router", func(t *testing.T) {
			s := newRoads(t)
			ctx, cancel := context.WithCancel(t.Context())
			s.answerInstead(func(_ http.ResponseWriter, r *http.Request) { cancel(); hang(r) })
			r, _, _ := router(t, kind, s, func(c *eta.RouterConfig) { c.Failures = 1 })
			if _, err := r.Matrix(ctx, []geo.LatLng{home}, []geo.LatLng{away}); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			s.answerInstead(nil)
			if _, err := r.Matrix(t.Context(), []geo.LatLng{home}, []geo.LatLng{away}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBreaker(t *testing.T) {
	t.Run("failures_count_in_a_row_only", func(t *testing.T) {
		b := eta.NewBreaker(2, time.Minute)
		for range 5 {
			if !eta.Allow(b, noon) || eta.Failed(b, noon) || !eta.Allow(b, noon) || eta.Worked(b) {
				t.Fatal("opened by one failure between successes")
			}
		}
	})

	t.Run("one_question_tries_and_the_others_wait", func(t *testing.T) {
		b := eta.NewBreaker(1, time.Minute)
		if !eta.Allow(b, noon) || !eta.Failed(b, noon) || eta.Allow(b, noon.Add(59*time.Second)) {
			t.Fatal("a failure does not open it")
		}
		later := noon.Add(time.Minute)
		if !eta.Allow(b, later) || eta.Allow(b, later) {
			t.Error("not one question is let through")
		}
		if !eta.Worked(b) || !eta.Allow(b, later) || !eta.Allow(b, later) {
			t.Error("a success does not close it")
		}
	})
}

func TestFlights(t *testing.T) {
	t.Run("the_same_question_at_the_same_time_is_asked_once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var f eta.Flights
			let := make(chan struct{})
			asked := 0
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					rows, err := eta.Once(t.Context(), &f, "a", func() ([][]eta.Estimate, error) {
						asked++
						<-let
						return [][]eta.Estimate{{{Source: "x"}}}, nil
					})
					if err != nil || rows[0][0].Source != "x" {
						t.Errorf("%v, %v", rows, err)
					}
				})
			}
			synctest.Wait()
			impatient, cancel := context.WithCancel(t.Context())
			wg.Go(func() {
				if _, err := eta.Once(impatient, &f, "a", nil); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
			synctest.Wait()
			cancel()
			synctest.Wait()
			close(let)
			wg.Wait()
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	})
}

func TestFallback_Matrix(t *testing.T) {
	home := geo.LatLng{Lat: 48, Lng: 11}
	to := []geo.LatLng{{Lat: 48, Lng: 11.1}, {Lat: 48, Lng: 101}}
	for _, kind := range kinds() {
		t.Run(kind+"/the_line_answers_where_there_is_no_way", func(t *testing.T) {
			s := newRoads(t)
			first, _, _ := router(t, kind, s, nil)
			f := eta.Fallback{First: first, Line: eta.NewLearnt(time.UTC, noonNow)}
			rows, err := f.Matrix(t.Context(), []geo.LatLng{home}, to)
			if err != nil || rows[0][0].Source != kind || rows[0][1].Source != eta.SourcePrior || rows[0][1].Duration <= 0 {
				t.Errorf("%+v, %v", rows, err)
			}
		})

		t.Run(kind+"/the_line_answers_when_the_router_does_not", func(t *testing.T) {
			s := newRoads(t)
			first, _, _ := router(t, kind, s, nil)
			s.Close()
			f := eta.Fallback{First: first, Line: eta.NewLearnt(time.UTC, noonNow)}
			for range 6 {
				rows, err := f.Matrix(t.Context(), []geo.LatLng{home}, to)
				if err != nil || rows[0][0].Source != eta.SourcePrior || rows[0][1].Source != eta.SourcePrior {
					t.Errorf("%+v, %v", rows, err)
				}
			}
		})

		t.Run(kind+"/a_failure_half_way_keeps_what_is_known", func(t *testing.T) {
			s := newRoads(t)
			first, _, _ := router(t, kind, s, nil)
			f := eta.Fallback{First: first, Line: eta.NewLearnt(time.UTC, noonNow)}
			if _, err := f.Matrix(t.Context(), []geo.LatLng{home}, to[:1]); err != nil {
				t.Fatal(err)
			}
			s.Close()
			rows, err := f.Matrix(t.Context(), []geo.LatLng{home}, to)
			if err != nil || rows[0][0].Source != kind || rows[0][1].Source != eta.SourcePrior {
				t.Errorf("%+v, %v", rows, err)
			}
		})
	}

	t.Run("a_cancelled_context_ends_it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := eta.NewLearnt(time.UTC, noonNow)
		if _, err := (eta.Fallback{First: l, Line: l}).Matrix(ctx, []geo.LatLng{home}, to); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func FuzzOSRM_read(f *testing.F) {
	for _, text := range nonsense(eta.SourceOSRM) {
		f.Add(200, []byte(text))
	}
	f.Add(200, []byte(`{"code":"Ok","durations":[[12.5],[null]],"distances":[[90.1],[null]]}`))
	f.Add(400, []byte(`{"code":"NoSegment","message":"x"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) { checkRead(t, eta.ReadOSRM, status, body) })
}

func FuzzValhalla_read(f *testing.F) {
	for _, text := range nonsense(eta.SourceValhalla) {
		f.Add(200, []byte(text))
	}
	f.Add(200, []byte(`{"sources_to_targets":[[{"from_index":0,"to_index":0,"time":9,"distance":0.1}],[{"from_index":1,"to_index":0,"time":null,"distance":null}]],"units":"kilometers"}`))
	f.Add(400, []byte(`{"error_code":171,"error":"x"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) { checkRead(t, eta.ReadValhalla, status, body) })
}

// checkRead holds an answer to a question of two sources and a target to what Matrix promises.
func checkRead(t *testing.T, read func(int, []byte, int, int) ([][]eta.Estimate, error), status int, body []byte) {
	rows, err := read(status, body, 2, 1)
	if err != nil {
		if !errors.Is(err, eta.ErrAnswer) && !errors.Is(err, eta.ErrRefused) {
			t.Fatalf("%v", err)
		}
		return
	}
	if status != 200 || len(rows) != 2 || len(rows[0]) != 1 || len(rows[1]) != 1 {
		t.Fatalf("HTTP %d: %v", status, rows)
	}
	for _, row := range rows {
		e := row[0]
		if e.Duration < 0 || !(e.Distance >= 0) || math.IsInf(float64(e.Distance), 0) || (e.Source == "" && e != eta.Estimate{}) {
			t.Fatalf("%+v", e)
		}
	}
}
