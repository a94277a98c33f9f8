package replay

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHolds(t *testing.T) {
	log, _ := recorded(t, 200)
	at := frames(t, log)
	path := filepath.Join(t.TempDir(), "sf"+Suffix)
	for _, c := range []struct {
		what string
		log  []byte
		id   string
		want bool
	}{
		{"a driver of a whole log", log, "d001", true},
		{"nobody of a whole log", log, "d9", false},
		{"a part of an id of a whole log", log, "d00", false},
		{"a part of an id of a cut log", log[:at[len(at)-2]], "d00", true},
		{"nobody of a cut log", log[:at[len(at)-2]], "nobody-at-all", false},
		{"a driver after the damage", append([]byte("no log, but of "), "d777"...), "d777", true},
		{"nobody of no log", nil, "d777", false},
	} {
		if err := os.WriteFile(path, c.log, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Holds(path, c.id); got != c.want || err != nil {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
	big := append(make([]byte, 1<<18-2), "d777"...) // over the edge of what is read at once
	if err := os.WriteFile(path, big, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Holds(path, "d777"); !got || err != nil {
		t.Errorf("at the edge: %v, %v", got, err)
	}
}
