package eta_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hexfleet/hexfleet/geo"
	"github.com/hexfleet/hexfleet/geo/eta"
)

// golden is what a document looks like.
const golden = "testdata/learnt.json"

var rewrite = flag.Bool("rewrite", false, "write the golden document anew")

// fewDrives are in two cells of San Francisco.
func fewDrives() []eta.Observation {
	a, b := geo.LatLng{Lat: 37.7749, Lng: -122.4194}, geo.LatLng{Lat: 37.8049, Lng: -122.4094}
	return []eta.Observation{
		{From: a, To: b, Start: noon, Duration: 15 * time.Minute, Path: 4200},
		{From: b, To: a, Start: noon.Add(time.Hour), Duration: 9 * time.Minute},
		{From: a, To: b, Start: noon.Add(2 * time.Hour), Duration: 2 * time.Hour},
	}
}

func TestLearnt_Document(t *testing.T) {
	zone, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	l := eta.NewLearnt(zone, noonNow)
	l.Learn(fewDrives())

	t.Run("is_as_the_golden_file", func(t *testing.T) {
		got := string(l.Document()) + "\n"
		if *rewrite {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})

	t.Run("goes_on_learning_after_a_restart", func(t *testing.T) {
		again := eta.NewLearnt(zone, noonNow)
		if err := again.Restore(l.Document()); err != nil {
			t.Fatal(err)
		}
		again.Learn(fewDrives())
		if again.Drives() != 6 || again.Cells() != l.Cells() {
			t.Errorf("%d drives, %d cells", again.Drives(), again.Cells())
		}
	})
}

func TestLearnt_Restore(t *testing.T) {
	l := eta.NewLearnt(time.UTC, noonNow)
	l.Learn(fewDrives())
	good := string(l.Document())

	t.Run("refuses_what_is_no_document_and_keeps_its_model", func(t *testing.T) {
		swap := func(old, fresh string) string {
			if !strings.Contains(good, old) {
				t.Fatalf("%s has no %s", good, old)
			}
			return strings.Replace(good, old, fresh, 1)
		}
		for name, text := range map[string]string{
			"empty": "", "null": "null", "cut": good[:len(good)/2], "more": good + "{}", "list": "[]",
			"another_version": swap("eta/1", "eta/2"),
			"another_zone":    swap(`"UTC"`, `"Europe/Berlin"`),
			"another_case":    swap(`"drives"`, `"Drives"`),
			"unknown":         swap(`"drives"`, `"x":1,"drives"`),
			"twice":           swap(`"drives"`, `"drives":1,"drives"`),
			"negative":        swap(`"drives":3`, `"drives":-3`),
			"short":           swap(`"seconds":[[`, `"seconds":[],"day":[[`),
			"huge_value":      swap(`"seconds":[[`, `"seconds":[[1e300,0],[`),
			"no_cell":         swap(`"cell":"8`, `"cell":"x`),
		} {
			fresh := eta.NewLearnt(time.UTC, noonNow)
			before := string(fresh.Document())
			if err := fresh.Restore([]byte(text)); !errors.Is(err, eta.ErrDocument) || string(fresh.Document()) != before {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func FuzzLearnt_Restore(f *testing.F) {
	l := eta.NewLearnt(time.UTC, noonNow)
	l.Learn(fewDrives())
	f.Add(l.Document())
	f.Add(eta.NewLearnt(time.UTC, noonNow).Document())
	f.Add([]byte(`{"format":"hexfleet.eta/1","zone":"UTC"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		fresh := eta.NewLearnt(time.UTC, noonNow)
		if fresh.Restore(text) != nil {
			return
		}
		once := fresh.Document()
		if err := fresh.Restore(once); err != nil || string(fresh.Document()) != string(once) {
			t.Fatalf("%v: %s", err, once)
		}
		fresh.Learn(fewDrives())
		e := fresh.Estimate(geo.LatLng{Lat: 37.7, Lng: -122.4}, geo.LatLng{Lat: 37.8, Lng: -122.5}, noon)
		if e.Duration <= 0 || e.Distance <= 0 || e.Duration > 10*365*24*time.Hour {
			t.Fatalf("%+v", e)
		}
	})
}
