package bus

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hexfleet/hexfleet/dispatch"
)

// holds tells which files under dir hold text.
func holds(t *testing.T, dir, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestConn_Erase(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, dir)
	c := connect(t, s)
	publish := func(seq int64, e *dispatch.Event) {
		t.Helper()
		data, err := EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.js.Publish(t.Context(), EventSubject(e), data, jetstream.WithMsgID(MessageID("sf", seq))); err != nil {
			t.Fatal(err)
		}
	}
	for seq := int64(1); seq <= 30; seq++ {
		rider, order := "mary.smith-unique", dispatch.OrderID("o1")
		if seq%3 == 0 {
			rider, order = "another", "o2"
		}
		o := *anOrder()
		o.ID, o.Rider, o.Version = order, dispatch.RiderID(rider), seq
		publish(seq, &dispatch.Event{Market: "sf", Seq: seq, Type: dispatch.EventOrderEdited, Version: seq, Order: &o, By: dispatch.By{Role: dispatch.RoleRider, Sub: rider}})
	}
	for seq := int64(31); seq <= 33; seq++ {
		d := dispatch.Duty{Driver: "drew.jones-unique", Market: "sf", Version: seq}
		publish(seq, &dispatch.Event{Market: "sf", Seq: seq, Type: dispatch.EventDriverOffline, Version: seq, Duty: &d})
	}
	if len(holds(t, dir, "mary.smith-unique")) == 0 {
		t.Fatal("the stream's files never held what is to be erased")
	}
	for want, subject := range map[int]dispatch.ErasedSubject{
		20: {Market: "sf", Order: "o1", Seq: 30}, 2: {Market: "sf", Driver: "drew.jones-unique", Seq: 32}, 0: {Market: "sf", Order: "o9", Seq: 9},
	} {
		if n, err := c.Erase(t.Context(), subject); err != nil || n != want {
			t.Errorf("erase %+v: %d events, %v, want %d", subject, n, err, want)
		}
	}
	stream, err := c.js.Stream(t.Context(), StreamName)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs != 11 {
		t.Errorf("%d messages are left, %v, want 10 of the other order and the driver's last", info.State.Msgs, err)
	}
	if m, err := stream.GetLastMsgForSubject(t.Context(), orderSubject("sf", "o2")); err != nil || !bytes.Contains(m.Data, []byte("another")) {
		t.Errorf("the other order's last event: %v, %v", m, err)
	}
	if n, err := c.Erase(t.Context(), dispatch.ErasedSubject{Market: "sf", Driver: "drew.jones-unique", Seq: 33}); err != nil || n != 1 {
		t.Errorf("erase what was left of the driver: %d, %v", n, err)
	}
	c.Close()
	s.Stop()
	for _, id := range []string{"mary.smith-unique", "drew", "jones-unique"} {
		if files := holds(t, dir, id); len(files) > 0 {
			t.Errorf("%s is still in %v", id, files)
		}
	}
	if files := holds(t, dir, fmt.Sprint(anOrder().Pickup().Lat)); len(files) == 0 {
		t.Error("the other order's places are gone too")
	}
}
