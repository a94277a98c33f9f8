package dispatch

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var instant = time.Date(2008, 5, 31, 6, 10, 0, 123_000_000, time.UTC)

// uuidV7Text is the shape of a UUIDv7 (RFC 9562, section 5.7).
var uuidV7Text = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestValidID(t *testing.T) {
	t.Run("well_formed_ones_pass", func(t *testing.T) {
		for _, s := range []string{"a", "A.b_c:d-9", strings.Repeat("x", 64), NewID(instant)} {
			if !ValidID(s) {
				t.Errorf("%q is refused", s)
			}
		}
	})
	t.Run("others_do_not", func(t *testing.T) {
		for _, s := range []string{"", strings.Repeat("x", 65), "a b", "a/b", "a\n", "é", "a\x00", "a\xff", "a@b"} {
			if ValidID(s) {
				t.Errorf("%q is taken", s)
			}
		}
	})
}

func TestNewID(t *testing.T) {
	t.Run("it_is_a_uuid_of_version_7_that_tells_its_instant", func(t *testing.T) {
		a, b := NewID(instant), NewID(instant)
		if !uuidV7Text.MatchString(a) || a == b {
			t.Errorf("%s, %s", a, b)
		}
		if unix := "011a3d98-c73b"; a[:13] != unix || b[:13] != unix { // Unix milliseconds, 48 bits
			t.Errorf("%s and %s do not begin with %s", a, b, unix)
		}
	})
	t.Run("later_ones_sort_after", func(t *testing.T) {
		if a, b := NewID(instant), NewID(instant.Add(time.Millisecond)); a >= b {
			t.Errorf("%s, then %s", a, b)
		}
	})
}

func TestDeriveID(t *testing.T) {
	t.Run("the_same_inputs_give_the_same_id", func(t *testing.T) {
		a := DeriveID(instant, "sf", "order-1", "7")
		if b := DeriveID(instant, "sf", "order-1", "7"); a != b || !uuidV7Text.MatchString(a) {
			t.Errorf("%s, then %s", a, b)
		}
	})
	t.Run("other_inputs_give_another", func(t *testing.T) {
		seen := map[string]bool{}
		for _, parts := range [][]string{{"a", "b"}, {"ab"}, {"a", "b", ""}, {"b", "a"}, {}} {
			seen[DeriveID(instant, parts...)] = true
		}
		seen[DeriveID(instant.Add(time.Millisecond), "a", "b")] = true
		if len(seen) != 6 {
			t.Errorf("%d ids of 6 inputs", len(seen))
		}
	})
}
