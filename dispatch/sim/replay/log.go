package replay

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Log is a log that is read, front to back. Owned by one goroutine.
type Log struct {
	// Market, Epoch, Program and At tell whose it is: the market, the epoch of the lease at its beginning, the
	// version of the program that recorded it, and when (wall).
	Market  dispatch.MarketID
	Epoch   int64
	Program string
	At      time.Time

	in  *bufio.Reader
	dec *gob.Decoder
	// now is the payload of the record under way, frame its memory.
	now   bytes.Buffer
	frame []byte
	n     uint64
	end   Ending
}

// Ending is how a log ends.
type Ending string

// The endings.
const (
	Whole  Ending = "whole"  // to the end of the term
	Cut    Ending = "cut"    // within or after a record, as a killed process leaves it, or one that goes on
	Broken Ending = "broken" // by the recorder, before the end of the term
)

// Open reads the beginning of a log. The error is an ErrDamaged where it is no log, or one that holds nothing.
func Open(r io.Reader) (*Log, error) {
	l := &Log{in: bufio.NewReaderSize(r, 1<<18), end: Cut}
	l.dec = gob.NewDecoder(&l.now)
	var got [len(magic)]byte
	if _, err := io.ReadFull(l.in, got[:]); err != nil || string(got[:]) != magic {
		return nil, fmt.Errorf("%w: it does not begin as a log of this format", ErrDamaged)
	}
	e, err := l.entry()
	if errors.Is(err, io.EOF) || errors.Is(err, errCut) {
		return nil, fmt.Errorf("%w: it is cut before it tells whose it is", ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	if e.Start == nil {
		return nil, fmt.Errorf("%w: it does not tell whose it is", ErrDamaged)
	}
	l.Market, l.Epoch, l.Program, l.At = e.Start.Market, e.Start.Epoch, e.Start.Program, e.Start.At
	return l, nil
}

// Ending tells how the log ends, once next has given io.EOF.
func (l *Log) Ending() Ending { return l.end }

// next gives the next record that is no end; io.EOF after the last whole one.
func (l *Log) next() (*entry, error) {
	e, err := l.entry()
	if errors.Is(err, errCut) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	if e.End == nil {
		if e.Began == nil && e.Step == nil {
			return nil, fmt.Errorf("%w: record %d says nothing", ErrDamaged, l.n-1)
		}
		return e, nil
	}
	l.end = Whole
	if e.End.Broken != "" {
		l.end = Broken
	}
	if _, err := l.in.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it goes on after its end", ErrDamaged)
	}
	return nil, io.EOF
}

// entry reads one record.
func (l *Log) entry() (*entry, error) {
	frame, err := readFrame(l.in, l.n, l.frame)
	l.frame = frame
	if err != nil {
		return nil, err
	}
	l.now.Reset()
	l.now.Write(frame)
	e := &entry{}
	if err := l.dec.Decode(e); err != nil {
		return nil, fmt.Errorf("%w: record %d cannot be read: %w", ErrDamaged, l.n, err)
	}
	if l.now.Len() > 0 {
		return nil, fmt.Errorf("%w: record %d is longer than what it holds", ErrDamaged, l.n)
	}
	l.n++
	return e, nil
}
