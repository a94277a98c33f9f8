package sim_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch/sim"
	"github.com/hexfleet/hexfleet/geo"
)

func zipped(t *testing.T, text string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

const trips = `dropoff_lon,trip_id,pickup_unix,pickup_lat,pickup_lon,dropoff_lat,colour,dropoff_unix,passengers,cab
-122.42,b,1212214260,37.79,-122.39,37.80,red,1212214800,2,abboip
-122.43,,1212214200.5,37.78,-122.41,37.75,,,,
`

func TestTrips(t *testing.T) {
	want := []sim.Trip{{
		ID: "trip-3", At: time.UnixMilli(1212214200500).UTC(),
		Pickup: geo.LatLng{Lat: 37.78, Lng: -122.41}, Dropoff: geo.LatLng{Lat: 37.75, Lng: -122.43},
	}, {
		ID: "b", At: time.Unix(1212214260, 0).UTC(),
		Pickup: geo.LatLng{Lat: 37.79, Lng: -122.39}, Dropoff: geo.LatLng{Lat: 37.80, Lng: -122.42},
		Duration: 540 * time.Second, Passengers: 2, Driver: "abboip",
	}}
	for name, in := range map[string]*bytes.Buffer{
		"plain":             bytes.NewBufferString(trips),
		"gzip":              zipped(t, trips),
		"byte_order_mark":   bytes.NewBufferString("\ufeff" + trips),
		"a_mark_and_quotes": bytes.NewBufferString("\ufeff" + strings.Replace(trips, "dropoff_lon", `"dropoff_lon"`, 1)),
		"a_mark_in_gzip":    zipped(t, "\ufeff"+trips),
		"windows_line_end":  bytes.NewBufferString(strings.ReplaceAll(trips, "\n", "\r\n")),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := sim.Trips(in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTrips_errors_name_line_column_and_limit(t *testing.T) {
	const header = "pickup_unix,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon,dropoff_unix,passengers\n"
	for in, want := range map[string]string{
		"":                                  "line 1: the file is empty",
		"pickup_unix,pickup_lat\n":          "no column pickup_lon",
		"a,a\n":                             "column a: stands twice",
		header + "1,2,3,4,5,,\nx,2,3,4,5,,": `line 3, column pickup_unix: "x" must be a number from 0 to 9214646399`,
		header + "1700000000000,2,3,4,5,,":  `column pickup_unix: "1700000000000" must be a number from 0 to 9214646399`, // milliseconds
		header + "1,90.5,3,4,5,,":           `column pickup_lat: "90.5" must be a number from -90 to 90`,
		header + "1,2,3,4,-181,,":           `column dropoff_lon: "-181" must be a number from -180 to 180`,
		header + "1,NaN,3,4,5,,":            `column pickup_lat: "NaN"`,
		header + "1,,3,4,5,,":               `column pickup_lat: ""`,
		header + "9,2,3,4,5,8,":             "column dropoff_unix: must not be before pickup_unix",
		header + "1,2,3,4,5,,1001":          "column passengers: \"1001\" must be a number from 0 to 1000",
		header + "1,2,3":                    "line 2: wrong number of fields, the header has 7",
		"pickup_unix;pickup_lat\n1;2\n":     `the header has no column pickup_unix: it is "pickup_unix;pickup_lat"`,
	} {
		_, err := sim.Trips(strings.NewReader(in))
		if _, ok := errors.AsType[*sim.FileError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want a FileError with %q", in, err, want)
		}
	}
}

func TestTrips_cut_gzip_is_an_error(t *testing.T) {
	whole := zipped(t, trips).Bytes()
	if _, err := sim.Trips(bytes.NewReader(whole[:len(whole)-12])); err == nil {
		t.Error("a cut gzip stream was read without an error")
	}
	if _, err := sim.Trips(bytes.NewReader(whole[:len(whole)-4])); err == nil || !strings.Contains(err.Error(), "cut off after line 3") {
		t.Errorf("without its checksum: got %v, want the line after which it ends", err)
	}
}

func TestTrips_with_one_id_are_different_orders(t *testing.T) {
	const header = "trip_id,pickup_unix,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon\n"
	got, err := sim.Trips(strings.NewReader(header + "a,1,2,3,4,5\na,1,2,3,4,5\na:3,1,2,3,4,5\ntrip-6,1,2,3,4,5\n,1,2,3,4,5\n"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, trip := range got {
		ids = append(ids, trip.ID)
	}
	if diff := cmp.Diff([]string{"a", "a:3", "a:3:4", "trip-6", "trip-6:6"}, ids); diff != "" {
		t.Error(diff)
	}
}

func TestSessions(t *testing.T) {
	want := []sim.Session{{
		Driver: "x", On: time.Unix(100, 0).UTC(), Off: time.Unix(200, 0).UTC(), At: geo.LatLng{Lat: 1, Lng: 2},
	}, {
		Driver: "y", On: time.Unix(150, 0).UTC(), At: geo.LatLng{Lat: 3, Lng: 4},
	}}
	for name, in := range map[string]string{
		"cab":    "cab,on_unix,off_unix,on_lat,on_lon\ny,150,,3,4\nx,100,200,1,2\n",
		"taxi":   "lat,lon,taxi,first_free_unix,off_unix\n1,2,x,100,200\n3,4,y,150,\n",
		"driver": "driver,on_unix,off_unix,lat,on_lon\nx,100,200,1,2\ny,150,,3,4\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := sim.Sessions(strings.NewReader(in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for in, part := range map[string]string{
		"on_unix,lat,lon\n":                       "no column cab or taxi or driver",
		"cab,lat,lon\n":                           "no column on_unix or first_free_unix",
		"cab,on_unix,lat,lon\n,1,2,3":             "line 2, column cab: must not be empty",
		"cab,on_unix,off_unix,lat,lon\na,5,5,1,2": "column off_unix: must be after on_unix",
		"cab,on_unix,lat,lon\na,9214646400,1,2":   "column on_unix: \"9214646400\" must be a number from 0 to 9214646399",
	} {
		if _, err := sim.Sessions(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: got %v, want %q", in, err, part)
		}
	}
}

func TestSession_Overlaps(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	s := sim.Session{On: at(100), Off: at(200)}
	for _, c := range []struct {
		from, to int64
		want     bool
	}{{0, 100, false}, {0, 101, true}, {150, 160, true}, {199, 300, true}, {200, 300, false}} {
		if got := s.Overlaps(at(c.from), at(c.to)); got != c.want {
			t.Errorf("[%d, %d): got %v, want %v", c.from, c.to, got, c.want)
		}
	}
	if open := (sim.Session{On: at(100)}); !open.Overlaps(at(1e6), at(2e6)) {
		t.Error("a session without an end must overlap what comes later")
	}
}

// TestFiles_real_night reads the recorded files beside the repository and what they are known to hold.
func TestFiles_real_night(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "sf")
	if _, err := os.Stat(dir); err != nil {
		dir = t.TempDir()
		t.Logf("no recorded data beside the repository, reading generated files: %v", err)
		generate(t, dir)
	}
	all, err := sim.TripFile(filepath.Join(dir, "ci_10min_trips.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := sim.SessionFile(filepath.Join(dir, "sessions.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2008, 5, 31, 6, 10, 0, 0, time.UTC)
	to := from.Add(10 * time.Minute)
	if got := len(sim.Within(all, from, to)); got != 291 || len(all) != 291 {
		t.Errorf("got %d trips, %d of them in the ten minutes, want 291 each", len(all), got)
	}
	on := 0
	for _, s := range sessions {
		if s.Overlaps(from, to) {
			on++
		}
	}
	if on != 436 {
		t.Errorf("got %d sessions in the ten minutes, want 436", on)
	}
}

func generate(t *testing.T, dir string) {
	t.Helper()
	rows := func(header, row string, n int) string { return header + "\n" + strings.Repeat(row+"\n", n) }
	for name, text := range map[string]string{
		"ci_10min_trips.csv.gz": rows("pickup_unix,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon",
			"1212214300,37.79,-122.4,37.8,-122.41", 291),
		"sessions.csv.gz": rows("cab,on_unix,off_unix,on_lat,on_lon",
			"a,1212214000,1212219000,37.79,-122.4", 436),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), zipped(t, text).Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTripFile_error_names_the_file(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.csv")
	if err := os.WriteFile(path, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.TripFile(path); err == nil || !strings.HasPrefix(err.Error(), path+": line 1") {
		t.Errorf("got %v, want the path and the line", err)
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte(trips))
	f.Add([]byte("cab,on_unix,off_unix,on_lat,on_lon\nx,100,200,1,2\n"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		trips, err := sim.Trips(bytes.NewReader(in))
		if err == nil {
			for i, trip := range trips {
				if trip.Pickup.Validate() != nil || trip.Dropoff.Validate() != nil || trip.Duration < 0 ||
					i > 0 && trip.At.Before(trips[i-1].At) {
					t.Errorf("trip %d was let through: %+v", i, trip)
				}
			}
		}
		sessions, err := sim.Sessions(bytes.NewReader(in))
		if err == nil {
			for i, s := range sessions {
				if s.At.Validate() != nil || s.Driver == "" || !s.Off.IsZero() && !s.Off.After(s.On) {
					t.Errorf("session %d was let through: %+v", i, s)
				}
			}
		}
	})
}
