package bus

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
)

func TestSubjects(t *testing.T) {
	order := &dispatch.Event{Market: "sf", Order: &dispatch.Order{ID: "a.b"}}
	duty := &dispatch.Event{Market: "sf.north", Duty: &dispatch.Duty{Driver: "fleet:7_x-1"}}
	for _, c := range []struct{ got, want string }{
		{EventSubject(order), "hexfleet.v1.event.sf.order.a=2Eb"},
		{EventSubject(duty), "hexfleet.v1.event.sf=2Enorth.driver.fleet:7_x-1"},
		{NoticeSubject("sf", "d1"), "hexfleet.v1.notice.sf.d1"},
		{NudgeSubject("sf", "d.1"), "hexfleet.v1.nudge.sf.d=2E1"},
		{PositionSubject("sf", "o.1"), "hexfleet.v1.position.sf.o=2E1"},
		{PublishedSubject("sf"), "hexfleet.v1.published.sf"},
		{SupplySubject("sf.x"), "hexfleet.v1.supply.sf=2Ex"},
	} {
		if c.got != c.want {
			t.Errorf("subject %q, want %q", c.got, c.want)
		}
	}
}

// FuzzToken proves that any string has one token, which NATS takes and which can be read back.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"", ".", "=", "=2E", "*", ">", "a b", "sf", "0192f0.é", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		enc := token(s)
		if enc == "" || strings.ContainsAny(enc, ".*> \t\r\n\x00") {
			t.Fatalf("token(%q) = %q is no NATS token", s, enc)
		}
		back, err := untoken(enc)
		if err != nil || back != s {
			t.Fatalf("untoken(token(%q)) = %q, %v", s, back, err)
		}
		// What reads as a token at all is the one that token writes.
		if value, err := untoken(s); err == nil && token(value) != s {
			t.Fatalf("%q and %q are both tokens of %q", s, token(value), value)
		}
	})
}

var errToken = errors.New("malformed subject token")

// untoken is the inverse of token, as a reader of subjects would write it from token's documentation. It
// refuses what token does not write.
func untoken(t string) (string, error) {
	if t == "=" {
		return "", nil
	}
	var b strings.Builder
	for i := 0; i < len(t); i++ {
		switch {
		case plain(t[i]):
			b.WriteByte(t[i])
		case t[i] == '=' && i+2 < len(t):
			hi, lo := hexDigit(t[i+1]), hexDigit(t[i+2])
			if hi < 0 || lo < 0 || plain(byte(hi<<4|lo)) {
				return "", fmt.Errorf("%w: %q", errToken, t)
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			return "", fmt.Errorf("%w: %q", errToken, t)
		}
	}
	if b.Len() == 0 {
		return "", fmt.Errorf("%w: empty", errToken)
	}
	return b.String(), nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
