package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// eraseCmd takes a person out of the store.
type eraseCmd struct {
	storeFlags
	personFlags
	Yes     bool          `help:"Erase; without it only what would be erased is told."`
	Wait    time.Duration `help:"How long to wait for a running server to overwrite the copies in its stream (default: ${default})." default:"20s"`
	Record  string        `help:"Delete the logs in this folder, which serve --record wrote, that name the person." placeholder:"DIR"`
	Rewrite bool          `help:"Rewrite SQLite's file afterwards also while a server runs: its writes wait meanwhile, about a second for each 100 MB."`
}

// Help says what becomes of what.
func (*eraseCmd) Help() string {
	return `The id is replaced by a random pseudonym wherever it stands. A rider's places, points, keys and the words in
reasons are deleted; of a driver the points, keys, words and tags. Versions, states and times of orders stay, so that
the history stays whole. It is refused while an order of the person is not closed, or the driver is on duty. What the
person does after it began is not covered: erase again.

A server may be running: the erasure works in small transactions beside it, and the server then overwrites the copies
in its stream within seconds. With the server stopped that is done at its next start; until then the id stands in the
list of erasures, and the copies in the stream. Servers that share a Postgres and have each a NATS of its own overwrite
each their own, and the id stands in the list for 25 hours, when the last copy is gone. SQLite: deleted bytes are overwritten, but free space in pages of the
file may hold older copies until the file is rewritten, which is done here when the server is stopped, or with
--rewrite. Backups, and what others read from the stream or the log of a database, are out of reach. See
docs/privacy.md.`
}

// Run implements the command.
func (c *eraseCmd) Run(ctx context.Context, std stdio) (err error) {
	p, err := c.person()
	if err != nil {
		return err
	}
	a, err := c.people(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if !c.Yes {
		held, err := a.Count(ctx, p)
		if err != nil {
			return fmt.Errorf("count what is held of %s %s: %w", p.Role, p.ID, err)
		}
		_, err = fmt.Fprintf(std.Out, "Of %s %s are held: %s.\nNothing was erased: add --yes to erase.\n", p.Role, p.ID, counts(held))
		return err
	}
	erasure, held, err := a.Erase(ctx, p)
	if errors.Is(err, store.ErrBusyPerson) {
		return fmt.Errorf("%s %s %w; erase when that has ended", p.Role, p.ID, err)
	}
	if err == nil {
		err = c.putAndForget(ctx, a, p)
	}
	if err != nil {
		return fmt.Errorf("erase %s %s: %w; the same command goes on where it stopped", p.Role, p.ID, err)
	}
	if _, err := fmt.Fprintf(std.Out, "Erased: %s.\n%s stands where the id stood.\n", counts(held), erasure.Pseudonym); err != nil {
		return err
	}
	if err := c.logs(p, std.Out); err != nil {
		return err
	}
	return c.finish(ctx, a, erasure.ID, std.Out)
}

// putAndForget puts the erasure on record, and then takes the name out of the audit log, the new entry included.
func (c *eraseCmd) putAndForget(ctx context.Context, a peopleStore, p dispatch.Person) error {
	if err := putOnRecord(ctx, a, "erase", string(p.Role)+":"+p.ID, nil); err != nil {
		return err
	}
	return a.EraseAuditActor(ctx, p.Role, p.ID)
}

// logs deletes what was recorded of the person, where that is told.
func (c *eraseCmd) logs(p dispatch.Person, out io.Writer) error {
	note := "Logs of 'serve --record' were not looked at: name their folder with --record, or delete them."
	if c.Record != "" {
		n, err := eraseLogs(c.Record, p.ID)
		if err != nil {
			return fmt.Errorf("%w; %d logs were deleted, the same command goes on", err, n)
		}
		note = fmt.Sprintf("Logs deleted that name the person: %d.", n)
	}
	_, err := fmt.Fprintln(out, note)
	return err
}

// finish waits for the stream, and then cleans the store's files.
func (c *eraseCmd) finish(ctx context.Context, a peopleStore, erasure string, out io.Writer) error {
	stopped, err := c.stopped()
	if err != nil {
		return err
	}
	var notes []string
	if stopped {
		notes = append(notes, "No server is running: the next to start overwrites the copies in its stream and forgets the id.")
	} else {
		done, err := waitForStream(ctx, a, erasure, c.Wait)
		if err != nil {
			return err
		}
		note := "The copies in the stream are overwritten."
		if !done {
			note = "The copies in the stream are not overwritten yet: a running server does that, or the next to start."
		}
		notes = append(notes, note)
	}
	note, err := a.Scrub(ctx, stopped || c.Rewrite)
	if err != nil {
		return fmt.Errorf("clean the store's files: %w; the rows are erased", err)
	}
	if note != "" {
		notes = append(notes, note)
	}
	_, err = fmt.Fprintln(out, strings.Join(notes, "\n"))
	return err
}

// waitForStream tells whether the erasure is done everywhere.
func waitForStream(ctx context.Context, a store.Erasures, erasure string, wait time.Duration) (bool, error) {
	for end := time.Now().Add(wait); ; {
		open, err := a.Erasures(ctx)
		if err != nil {
			return false, err
		}
		waits := false
		for _, e := range open {
			waits = waits || e.ID == erasure
		}
		if !waits || time.Now().After(end) {
			return !waits, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// counts tells what is held, in words.
func counts(h store.Held) string {
	var words []string
	for _, c := range []struct {
		n         int64
		one, many string
	}{
		{h.Orders, "order", "orders"}, {h.Places, "order's places", "orders' places"}, {h.Events, "event", "events"},
		{h.Offers, "offer", "offers"}, {h.Answers, "key", "keys"}, {h.Samples, "point of trips", "points of trips"},
	} {
		switch c.n {
		case 0:
		case 1:
			words = append(words, "1 "+c.one)
		default:
			words = append(words, fmt.Sprintf("%d %s", c.n, c.many))
		}
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}
