package sim

import (
	"cmp"
	"io"
	"slices"
	"time"

	"github.com/hexfleet/hexfleet/geo"
)

// Session is one shift of a driver: from when, from where, until when.
type Session struct {
	// Driver is the file's name of the cab or driver.
	Driver string
	// On < Off, but for a zero Off, which means to the end.
	On, Off time.Time
	// At is where the driver comes on.
	At geo.LatLng
}

// Overlaps tells whether the driver is on shift at any time of [from, to).
func (s Session) Overlaps(from, to time.Time) bool {
	return s.On.Before(to) && (s.Off.IsZero() || s.Off.After(from))
}

// Sessions reads a session file, CSV or gzip: a driver column (cab, taxi or driver), on_unix or
// first_free_unix, on_lat or lat, on_lon or lon, optionally off_unix, found by name; others are ignored.
// The sessions ascend by their beginning, then by driver. A row that cannot be read is a *FileError.
func Sessions(r io.Reader) ([]Session, error) {
	t, err := newTable(r)
	if err != nil {
		return nil, err
	}
	var c sessionColumns
	for _, want := range []struct {
		column *string
		names  []string
	}{
		{&c.driver, []string{"cab", "taxi", "driver"}},
		{&c.on, []string{"on_unix", "first_free_unix"}},
		{&c.lat, []string{"on_lat", "lat"}},
		{&c.lng, []string{"on_lon", "lon"}},
	} {
		if *want.column, err = t.want(want.names...); err != nil {
			return nil, err
		}
	}
	c.off = t.have("off_unix")
	var sessions []Session
	for {
		more, err := t.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		session := t.session(c)
		if t.err != nil {
			return nil, t.err
		}
		sessions = append(sessions, session)
	}
	sortSessions(sessions)
	return sessions, nil
}

// sortSessions sorts by beginning, then by driver.
func sortSessions(sessions []Session) {
	slices.SortStableFunc(sessions, func(a, b Session) int {
		return cmp.Or(a.On.Compare(b.On), cmp.Compare(a.Driver, b.Driver))
	})
}

// SessionFile reads the sessions of a file; its errors name it.
func SessionFile(path string) ([]Session, error) { return readFile(path, Sessions) }

// sessionColumns are the header's names of a session file's columns; off is "" when there is none.
type sessionColumns struct{ driver, on, off, lat, lng string }

func (t *table) session(c sessionColumns) Session {
	s := Session{
		Driver: t.text(c.driver),
		On:     t.begin(c.on),
		Off:    t.optionalInstant(c.off),
		At:     t.place(c.lat, c.lng),
	}
	if s.Driver == "" {
		t.fail(c.driver, "must not be empty")
	}
	if !s.Off.IsZero() && !s.Off.After(s.On) {
		t.fail(c.off, "must be after %s", c.on)
	}
	return s
}
