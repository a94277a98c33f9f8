package bus

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// supplyCells is how many cells one message tells: at most 100 bytes each, well below the 1 MiB that NATS takes.
const supplyCells = 4000

// supplyRecord is one part of a market's supply; testdata/supply.txt pins it. Who wants all of it keeps the parts of
// one at. It is for readers outside: asyncapi.json describes it.
type supplyRecord struct {
	Market     dispatch.MarketID `json:"market"`
	At         time.Time         `json:"at"`
	Since      time.Time         `json:"since"`
	Resolution int               `json:"resolution"`
	// Part counts the messages of one supply from 1 to Parts.
	Part  int         `json:"part"`
	Parts int         `json:"parts"`
	Cells cellColumns `json:"cells"`
}

// cellColumns are columns of equal length, ascending by cell over all parts.
type cellColumns struct {
	Cell       []string  `json:"cell"`
	Available  []int     `json:"available"`
	Busy       []int     `json:"busy"`
	Open       []int     `json:"open"`
	Waiting    []int     `json:"waiting"`
	Created5m  []int     `json:"created_5m"`
	Created15m []int     `json:"created_15m"`
	Multiplier []float64 `json:"multiplier"`
}

// Supply publishes a market's supply. Fire and forget, as Notice.
func (c *Conn) Supply(s *dispatch.Supply) error {
	for _, r := range supplyParts(s) {
		b, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode supply of %s: %w", s.Market, err)
		}
		if err := c.publish(SupplySubject(s.Market), b); err != nil {
			return err
		}
	}
	return nil
}

// supplyParts cuts a supply into messages, at least one.
func supplyParts(s *dispatch.Supply) []supplyRecord {
	parts := max(1, (len(s.Cells)+supplyCells-1)/supplyCells)
	out := make([]supplyRecord, parts)
	for i := range out {
		cells := s.Cells[i*supplyCells : min((i+1)*supplyCells, len(s.Cells))]
		out[i] = supplyRecord{
			Market: s.Market, At: utc(s.At), Since: utc(s.Since), Resolution: dispatch.SupplyResolution,
			Part: i + 1, Parts: parts, Cells: columns(cells),
		}
	}
	return out
}

func columns(cells []dispatch.SupplyCell) cellColumns {
	n := len(cells)
	c := cellColumns{
		Cell: make([]string, n), Available: make([]int, n), Busy: make([]int, n), Open: make([]int, n), Waiting: make([]int, n),
		Created5m: make([]int, n), Created15m: make([]int, n), Multiplier: make([]float64, n),
	}
	for i, s := range cells {
		c.Cell[i] = s.Cell.String()
		c.Available[i], c.Busy[i], c.Open[i], c.Waiting[i] = s.Available, s.Busy, s.Open, s.Waiting
		c.Created5m[i], c.Created15m[i], c.Multiplier[i] = s.Created5, s.Created15, s.Multiplier
	}
	return c
}
