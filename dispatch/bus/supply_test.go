package bus

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// TestSupply_format has the message that readers outside are told, and a market of many cells cut into parts that
// NATS takes.
func TestSupply_format(t *testing.T) {
	c := connect(t, startServer(t, t.TempDir()))
	messages := make(chan *nats.Msg, 4)
	sub, err := c.nc.ChanSubscribe("hexfleet.v1.supply.*", messages)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()

	supply := &dispatch.Supply{Market: "sf", At: base, Since: base, Cells: []dispatch.SupplyCell{
		{Cell: 0x88283082a9fffff, Available: 3, Busy: 2, Open: 4, Waiting: 1, Created5: 2, Created15: 5, Multiplier: 1.5},
		{Cell: 0x88283082abfffff, Open: 1, Multiplier: 1},
	}}
	if err := c.Supply(supply); err != nil {
		t.Fatal(err)
	}
	m := receive(t, "a supply", messages)
	got := bytes.NewBufferString(m.Subject + "\n")
	if err := json.Indent(got, m.Data, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	golden(t, "testdata/supply.txt", got.Bytes())

	many := &dispatch.Supply{Market: "sf", At: base, Since: base}
	var want []string
	for i := range 2*supplyCells + 1 {
		cell := geo.Cell(0x8800000001fffff + i<<21)
		want = append(want, cell.String())
		many.Cells = append(many.Cells, dispatch.SupplyCell{
			Cell: cell, Available: 99999, Busy: 99999, Open: 99999, Waiting: 99999, Created5: 99999, Created15: 999999, Multiplier: 12.123456789012345,
		})
	}
	if err := c.Supply(many); err != nil {
		t.Fatal(err)
	}
	var cells []string
	for part := 1; part <= 3; part++ {
		m := receive(t, "a part", messages)
		var r supplyRecord
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Fatal(err)
		}
		if r.Part != part || r.Parts != 3 || !r.At.Equal(base) || len(m.Data) > 512<<10 {
			t.Errorf("part %d of %d at %s, %d bytes", r.Part, r.Parts, r.At, len(m.Data))
		}
		cells = append(cells, r.Cells.Cell...)
	}
	if !slices.Equal(cells, want) {
		t.Errorf("%d cells were told, want %d in order", len(cells), len(want))
	}

	if err := c.Supply(&dispatch.Supply{Market: "lab", At: base, Since: base}); err != nil {
		t.Fatal(err)
	}
	const empty = `{"cell":[],"available":[],"busy":[],"open":[],"waiting":[],"created_5m":[],"created_15m":[],"multiplier":[]}`
	if m := receive(t, "an empty supply", messages); !bytes.Contains(m.Data, []byte(`"part":1,"parts":1,"cells":`+empty)) {
		t.Errorf("told %s", m.Data)
	}
}
