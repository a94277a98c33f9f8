package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

func TestJournal_Commit_on_a_full_disk_is_ambiguous(t *testing.T) {
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
	b := storetest.NewBook(t, j, "sf")
	run(t, j.writer, "PRAGMA max_page_count = 1") // SQLite sets it to what is used already
	for i := range 500 {
		b.Create(orderID(i), "r1")
	}
	err := j.Commit(t.Context(), b.Batch())
	if err == nil || errors.Is(err, dispatch.ErrRefused) || errors.Is(err, dispatch.ErrFenced) {
		t.Fatalf("commit gave %v, want an ambiguous error", err)
	}
	if _, err := j.Claim(t.Context(), "d1", "sf"); err != nil {
		t.Errorf("a claim that still fits: %v", err)
	}
	run(t, j.writer, "PRAGMA max_page_count = 1000000")
	if r := b.Recover(); r.Seq != 0 || b.Lease.Batch != 0 {
		t.Errorf("after the ambiguous commit the market stands at seq %d, batch %d", r.Seq, b.Lease.Batch)
	}
	b.Create("o1", "r1")
	b.Commit()
}

func TestJournal_Write_waits_no_longer_than_its_context(t *testing.T) {
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
	b := storetest.NewBook(t, j, "sf")
	busy, err := j.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	if err := j.Commit(ctx, b.Batch()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("commit gave %v", err)
	}
	_, err = j.Claim(ctx, "d1", "sf")
	if dispatch.CodeOf(err) != dispatch.CodeUnavailable {
		t.Errorf("claim gave %v, want unavailable", err)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	b.Commit() // the wait took nothing with it
}

func TestJournal_Write_does_not_hide_a_panic(t *testing.T) {
	j := openAt(t, t.TempDir(), nil)
	defer j.Close()
	b := storetest.NewBook(t, j, "sf")
	func() {
		defer func() {
			if r := recover(); r != "a defect" {
				t.Errorf("recovered %v", r)
			}
		}()
		_ = j.write(t.Context(), func(context.Context, *sql.Tx) error { panic("a defect") })
	}()
	b.Commit()
}
