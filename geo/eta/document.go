package eta

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/geo"
)

// Format is the version of the documents that Document writes and Restore reads.
const Format = "hexfleet.eta/1"

// ErrDocument is of what is no document of this format and zone.
var ErrDocument = errors.New("not a learnt travel time document")

// document is what a Learnt knows, as JSON:
//
//	format   "hexfleet.eta/1"
//	zone     the IANA name of the zone that the hours are of
//	drives   how many were learnt
//	seconds  the curve of log seconds, an effect for each knot: 125 m x 2^i, i = 0 to 9
//	circuity log metres driven for each metre of straight line, likewise
//	day      by local hour; week: by local hour from Sunday 0 h
//	leave    by H3 cell of resolution 7, ascending: what drives that begin there add to log seconds, in all
//	         directions, then from west against the clock in each of eight; reach: likewise drives that end there
//
// An effect is [value, weight], of which the weight is how many drives it was learnt from. Values are rounded
// to 1e-5 and weights to 1e-2, so a model that was written and read goes on from those numbers.
type document struct {
	Format   string        `json:"format"`
	Zone     string        `json:"zone"`
	Drives   int64         `json:"drives"`
	Seconds  [][2]float64  `json:"seconds"`
	Circuity [][2]float64  `json:"circuity"`
	Day      [][2]float64  `json:"day"`
	Week     [][2]float64  `json:"week"`
	Leave    []placeRecord `json:"leave"`
	Reach    []placeRecord `json:"reach"`
}

type placeRecord struct {
	Cell    string       `json:"cell"`
	Effects [][2]float64 `json:"effects"`
}

// maxValue bounds what is read for a logarithm: no drive takes e^30 seconds.
const maxValue = 30

// Document writes down what was learnt: the same model always as the same bytes, some 100 to 250 bytes a cell.
func (l *Learnt) Document() []byte {
	m := l.model.Load()
	doc := document{
		Format: Format, Zone: l.zone.String(), Drives: m.drives,
		Seconds: records(m.seconds[:]), Circuity: records(m.circuity[:]), Day: records(m.day[:]), Week: records(m.week[:]),
		Leave: placeRecords(m.leave), Reach: placeRecords(m.reach),
	}
	out, err := json.Marshal(&doc, json.Deterministic(true))
	if err != nil {
		panic(fmt.Sprintf("eta: write a model: %v", err)) // it has only finite numbers and plain strings
	}
	return out
}

// Restore takes over what a document knows; an error leaves the model as it is.
func (l *Learnt) Restore(text []byte) error {
	m, err := readDocument(text, l.zone.String())
	if err != nil {
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.model.Store(m)
	return nil
}

func readDocument(text []byte, zone string) (*model, error) {
	var doc document
	err := json.UnmarshalRead(bytes.NewReader(text), &doc, json.RejectUnknownMembers(true), jsontext.AllowDuplicateNames(false))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	case doc.Format != Format:
		return nil, fmt.Errorf("%w: format is %q, not %s", ErrDocument, doc.Format, Format)
	case doc.Zone != zone:
		return nil, fmt.Errorf("%w: its zone is %q, not %s", ErrDocument, doc.Zone, zone)
	case doc.Drives < 0:
		return nil, fmt.Errorf("%w: %d drives", ErrDocument, doc.Drives)
	}
	m := &model{drives: doc.Drives}
	m.leave, err = readPlaces("leave", doc.Leave)
	if err == nil {
		m.reach, err = readPlaces("reach", doc.Reach)
	}
	err = cmp.Or(err,
		readEffects("seconds", m.seconds[:], doc.Seconds), readEffects("circuity", m.circuity[:], doc.Circuity),
		readEffects("day", m.day[:], doc.Day), readEffects("week", m.week[:], doc.Week))
	if err != nil {
		return nil, err
	}
	for i := range knots - 1 {
		if m.seconds[i+1].value < m.seconds[i].value {
			return nil, fmt.Errorf("%w: knot %d takes less time than the one before", ErrDocument, i+1)
		}
	}
	return m, nil
}

func records(effects []effect) [][2]float64 {
	out := make([][2]float64, len(effects))
	for i, e := range effects {
		out[i] = [2]float64{round(e.value, 1e5), round(e.weight, 1e2)}
	}
	return out
}

// round gives the nearest of n steps in 1; never -0, which JSON would tell apart.
func round(v, n float64) float64 { return math.Round(v*n)/n + 0 }

func placeRecords(places map[geo.Cell]*place) []placeRecord {
	out := make([]placeRecord, 0, len(places))
	for _, cell := range slices.Sorted(maps.Keys(places)) {
		p := places[cell]
		effects := append([]effect{p.level}, p.toward[:]...)
		out = append(out, placeRecord{Cell: cell.String(), Effects: records(effects)})
	}
	return out
}

func readEffects(what string, into []effect, from [][2]float64) error {
	if len(from) != len(into) {
		return fmt.Errorf("%w: %s has %d effects, not %d", ErrDocument, what, len(from), len(into))
	}
	for i, r := range from {
		if math.Abs(r[0]) > maxValue || r[1] < 0 || r[1] > memory {
			return fmt.Errorf("%w: effect %d of %s is %v", ErrDocument, i, what, r)
		}
		into[i] = effect{value: r[0], weight: r[1]}
	}
	return nil
}

func readPlaces(what string, from []placeRecord) (map[geo.Cell]*place, error) {
	if len(from) > maxCells {
		return nil, fmt.Errorf("%w: %s has %d cells, more than %d", ErrDocument, what, len(from), maxCells)
	}
	places := make(map[geo.Cell]*place, len(from))
	var last geo.Cell
	for _, r := range from {
		n, err := strconv.ParseUint(r.Cell, 16, 64)
		cell := geo.Cell(n)
		if err != nil || cell <= last || cell.String() != r.Cell {
			return nil, fmt.Errorf("%w: cell %q of %s is none, or out of order", ErrDocument, r.Cell, what)
		}
		var effects [1 + sectors]effect
		if err := readEffects(what+" of "+r.Cell, effects[:], r.Effects); err != nil {
			return nil, err
		}
		places[cell], last = &place{level: effects[0], toward: [sectors]effect(effects[1:])}, cell
	}
	return places, nil
}
