package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
)

// The documents are durable.
func TestEncodeExplanation(t *testing.T) {
	e := dispatch.Explanation{
		Mode: dispatch.ModeWave, Policy: "v2", Penalty: 2 * time.Second, Optimal: true, Dual: -time.Microsecond,
		Candidates: []dispatch.Considered{
			{Driver: "d1", Cost: time.Millisecond, Price: 3 * time.Millisecond, Offered: true, Terms: []dispatch.CostTerm{{Name: "pickup", Cost: time.Millisecond}}},
			{Driver: "d2", FilteredBy: dispatch.FilterBusy},
		},
		Chosen: []dispatch.DriverID{"d1", "d3"},
	}
	drivers, doc, err := EncodeExplanation(&e)
	if err != nil {
		t.Fatal(err)
	}
	const wantDrivers = `["d1","d2","d3"]`
	const wantDoc = `{"mode":"wave","policy":"v2","penalty_us":2000000,"optimal":true,"dual_us":-1,"candidates":[{"driver":0,"cost_us":1000,` +
		`"terms":[{"name":"pickup","cost_us":1000}],"price_us":3000,"offered":true},{"driver":1,"filtered_by":"busy"}],"chosen":[0,2]}`
	if string(drivers) != wantDrivers || string(doc) != wantDoc {
		t.Errorf("encoded\n%s\n%s, want\n%s\n%s", drivers, doc, wantDrivers, wantDoc)
	}
	got, err := DecodeExplanation(drivers, doc)
	if diff := cmp.Diff(e, got); diff != "" || err != nil {
		t.Errorf("decoded: %v (-want +got)\n%s", err, diff)
	}
	for _, bad := range [][2]string{{`[]`, wantDoc}, {`["d1"]`, `{"chosen":[-1]}`}, {`{}`, `{}`}, {`[]`, `[]`}} {
		if _, err := DecodeExplanation([]byte(bad[0]), []byte(bad[1])); err == nil {
			t.Errorf("%q was decoded", bad)
		}
	}
}
