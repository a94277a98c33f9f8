package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	magic      = "hexflog1"
	headerSize = 12
	// maxRecord bounds one record: a recovery of a hundred thousand open orders has some 60 MB.
	maxRecord = 1 << 28
)

// ErrDamaged tells of a log that is not as it was written. For errors.Is.
var ErrDamaged = errors.New("the log is damaged")

// errCut tells that the file ends within a record, or before its first.
var errCut = errors.New("the log is cut")

func castagnoli(parts ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once, by the library
	sum := uint32(0)
	for _, p := range parts {
		sum = crc32.Update(sum, table, p)
	}
	return sum
}

// header gives what stands before a payload.
func header(n uint64, payload []byte) [headerSize]byte {
	var h [headerSize]byte
	binary.BigEndian.PutUint32(h[:], uint32(len(payload))) //nolint:gosec // at most maxRecord
	binary.BigEndian.PutUint32(h[4:], castagnoli(binary.BigEndian.AppendUint64(nil, n), h[:4]))
	binary.BigEndian.PutUint32(h[8:], castagnoli(payload))
	return h
}

// writeFrame writes record n.
func writeFrame(w io.Writer, n uint64, payload []byte) error {
	if len(payload) > maxRecord {
		return fmt.Errorf("record of %d bytes, at most %d can be", len(payload), maxRecord)
	}
	h := header(n, payload)
	if _, err := w.Write(h[:]); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// readFrame reads record n into buf, which it gives back, grown where needed. io.EOF is the end of the file after a
// whole record.
func readFrame(r io.Reader, n uint64, buf []byte) ([]byte, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return buf, cut(err)
	}
	size := binary.BigEndian.Uint32(h[:])
	if binary.BigEndian.Uint32(h[4:]) != castagnoli(binary.BigEndian.AppendUint64(nil, n), h[:4]) || size > maxRecord {
		return buf, fmt.Errorf("%w: record %d does not begin where it should", ErrDamaged, n)
	}
	buf = buf[:0]
	for got := 0; got < int(size); got = len(buf) { // no more memory than there is file
		more := min(int(size)-got, 1<<20)
		buf = append(buf, make([]byte, more)...)
		if _, err := io.ReadFull(r, buf[got:]); errors.Is(err, io.EOF) {
			return buf, errCut
		} else if err != nil {
			return buf, cut(err)
		}
	}
	if castagnoli(buf) != binary.BigEndian.Uint32(h[8:]) {
		return buf, fmt.Errorf("%w: record %d is not as it was written", ErrDamaged, n)
	}
	return buf, nil
}

func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}
