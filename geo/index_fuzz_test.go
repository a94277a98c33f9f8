package geo

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// FuzzIndex plays a tape of operations on an index and its model: two bytes for each, after two that choose the place and
// the resolution.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("\x00\x09\x40\x01\x40\x02\x80\x03\x80\x04\xc0\x05"))
	f.Add([]byte("\x0c\x0a\x40\x01\x41\x01\x42\x01\x43\x01\x00\x01\x44\x01\xf0\x01\xff\x09"))
	f.Add([]byte("\x0f\x00\x40\x01\x50\x01\x60\x01\x70\x02\x10\x01\x20\x02\xc3\x02"))
	f.Fuzz(func(t *testing.T, tape []byte) {
		if len(tape) < 2 {
			return
		}
		center := hardPlaces()[int(tape[0])%len(hardPlaces())]
		res := int(tape[1]) % (maxResolution + 1)
		x, m := NewIndex(res), model{}
		tape = tape[2:min(len(tape), 800)]
		for now := 0; len(tape) >= 2; now++ {
			op, arg := tape[0], tape[1]
			tape = tape[2:]
			id := fmt.Sprintf("d%02d", arg%16)
			p := toward(center, flatEdge(res)*Meters(float64(arg)/40), float64(op&15))
			switch op >> 4 {
			case 0:
				if x.Remove(id) != (m[id] != nil) {
					t.Fatalf("Remove(%s) with %v", id, m[id])
				}
				delete(m, id)
			case 1:
				before := epoch.Add(time.Duration(now-int(arg)) * time.Second)
				if got, want := x.Expire(before, math.MaxInt), m.expire(before); got != want {
					t.Fatalf("Expire gave %d, want %d", got, want)
				}
			case 2:
				if k := m[id]; k != nil {
					k.traits = Traits{Class: uint16(op & 3), Free: arg >> 6, States: op & 15, Tags: uint32(arg)}
					x.Describe(k.handle, func(t *Traits) { *t = k.traits })
				}
			case 3, 4, 5, 6, 7, 8, 9, 10:
				if m[id] == nil {
					m[id] = &known{handle: x.Join(id)}
				}
				k := m[id]
				if !x.Update(k.handle, at(p, now)) {
					t.Fatalf("Update(%s, %v) refused over %v", id, p, k.fix)
				}
				k.fix, k.seen, k.aside = at(p, now), true, false
			default:
				q := Query{At: p, K: int(arg % 20), FreshSince: epoch.Add(time.Duration(now-int(arg)) * time.Second)}
				if op&1 != 0 {
					q.Within = flatEdge(res) * Meters(arg) / 30
				}
				if op&2 != 0 {
					q.Filter = Filter{Class: uint16(arg & 3), States: op & 8}
				}
				if got, want := named(x, x.Nearest(q)), m.nearest(q); !slices.Equal(got, want) {
					t.Fatalf("%+v at resolution %d:\n got %v\nwant %v", q, res, show(got), show(want))
				}
			}
		}
		if err := whole(x); err != nil {
			t.Fatal(err)
		}
	})
}
