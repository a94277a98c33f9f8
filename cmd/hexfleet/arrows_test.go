package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hexfleet/hexfleet/"

// arrow is one room and what its packages may import: of ours by folder, of the walled-off by library.
// "-libs" means that no other library may be imported either, and "+path" is the one that still may.
type arrow struct{ room, may string }

// arrows is the table of docs/architecture.md; .golangci.yaml shows a breach where it is written. A new arrow
// needs an ADR.
func arrows() []arrow {
	return []arrow{
		{"geo", "h3-go orb"},
		{"geo/eta", "geo"},
		{"dispatch", "geo -libs +github.com/go-json-experiment/json"}, // docs/adr/0001-strict-json.md
		{"dispatch/match", "dispatch geo -libs"},
		{"dispatch/market", "dispatch dispatch/match geo -libs"},
		{"dispatch/bus", "dispatch nats.go nats-server"},
		{"dispatch/node", "dispatch dispatch/market dispatch/bus geo geo/eta"},
		{"dispatch/sim", "dispatch dispatch/match dispatch/market dispatch/sim/actor geo geo/eta"},
		{"dispatch/sim/replay", "dispatch dispatch/match dispatch/market geo geo/eta"},
		{"dispatch/sim/report", "geo -libs"},
		{"dispatch/sim/tune", "dispatch -libs"},
		{"dispatch/sim/actor", "dispatch dispatch/match dispatch/market geo geo/eta"},
		{"store", "dispatch geo"},
		{"store/storetest", "dispatch geo store"},
		{"store/sqlite", "dispatch geo store sqlite"},
		{"store/postgres", "dispatch geo store pgx"},
		{"store/postgres/pgtest", "pgx"},
		{"gateway/wire", "dispatch geo"},
		{"gateway/auth", "dispatch geo"},
		{"gateway/board", "-libs"},
		{"gateway", "gateway/wire gateway/auth gateway/board dispatch geo websocket"},
		{"gateway/client", "gateway/wire geo websocket"},
		{"gateway/client/fleet", "gateway/client gateway/wire dispatch/sim/actor geo websocket"},
	}
}

// root is the room that may import everything and that nothing may import.
const root = "cmd/hexfleet"

// walled are the libraries behind walls, by the names that the table gives them.
func walled() map[string]string {
	return map[string]string{
		"h3-go":       "github.com/uber/h3-go",
		"orb":         "github.com/paulmach/orb",
		"nats.go":     "github.com/nats-io/nats.go",
		"nats-server": "github.com/nats-io/nats-server",
		"websocket":   "github.com/gorilla/websocket",
		"pgx":         "github.com/jackc/pgx",
		"sqlite":      "github.com/mattn/go-sqlite3",
		"go-redis":    "github.com/redis/go-redis",
	}
}

// breaches gives each import that the table does not allow, as "room -> import".
func breaches(table []arrow, imports map[string][]string) []string {
	var found []string
	for room, paths := range imports {
		if room == root {
			continue
		}
		i := slices.IndexFunc(table, func(a arrow) bool { return a.room == room })
		if i < 0 {
			found = append(found, room+" -> (the room is not in the table)")
			continue
		}
		may := strings.Fields(table[i].may)
		for _, path := range paths {
			if !allowed(may, path) {
				found = append(found, room+" -> "+strings.TrimPrefix(path, module))
			}
		}
	}
	slices.Sort(found)
	return found
}

func allowed(may []string, path string) bool {
	if room, ours := strings.CutPrefix(path, module); ours {
		return slices.Contains(may, room)
	}
	for name, prefix := range walled() {
		if within(path, prefix) {
			return slices.Contains(may, name)
		}
	}
	if !strings.Contains(path, ".") || !slices.Contains(may, "-libs") {
		return true // the standard library, or a library that goes where it is needed
	}
	return slices.ContainsFunc(may, func(m string) bool {
		only, ok := strings.CutPrefix(m, "+")
		return ok && within(path, only)
	})
}

func within(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

// listed gives what each package of ours imports, tests apart.
func listed(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return imports
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		imports[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
}

func TestArrows(t *testing.T) {
	t.Run("the_code_keeps_them", func(t *testing.T) {
		imports := listed(t)
		if len(imports) < len(arrows()) {
			t.Errorf("go list told of %d packages, the table has %d rooms", len(imports), len(arrows()))
		}
		for _, b := range breaches(arrows(), imports) {
			t.Error(b)
		}
	})
	t.Run("a_broken_one_is_found", func(t *testing.T) {
		for _, c := range []struct{ room, path string }{
			{"dispatch/market", module + "store"},
			{"dispatch/bus", module + "geo"},
			{"dispatch/match", "github.com/nats-io/nats.go/jetstream"},
			{"dispatch/match", "github.com/prometheus/client_golang/prometheus"},
			{"dispatch/node", "github.com/gorilla/websocket"},
			{"gateway", module + root},
			{"gateway/brand_new", "fmt"},
		} {
			if len(breaches(arrows(), map[string][]string{c.room: {"fmt", c.path}})) != 1 {
				t.Errorf("%s -> %s was not found", c.room, c.path)
			}
		}
	})
	t.Run("what_the_table_allows_is_no_breach", func(t *testing.T) {
		imports := map[string][]string{
			root:            {module + "store/sqlite"},
			"dispatch":      {module + "geo", "github.com/go-json-experiment/json/jsontext"},
			"dispatch/bus":  {"github.com/nats-io/nats-server/v2/server", "github.com/cloudevents/sdk-go/v2/event"},
			"store/sqlite":  {module + "store", "github.com/mattn/go-sqlite3", "github.com/pressly/goose/v3"},
			"gateway/wire":  {"encoding/json"},
			"gateway":       {"github.com/gorilla/websocket"},
			"dispatch/node": {module + "dispatch/bus"},
		}
		if found := breaches(arrows(), imports); len(found) > 0 {
			t.Errorf("found %v", found)
		}
	})
}

// TestTopLevel keeps the folders of the repository to those of docs/architecture.md.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	may := []string{"bin", "cmd", "deploy", "dispatch", "docs", "gateway", "geo", "hexfleet-data", "store"}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(may, e.Name()) {
			t.Errorf("folder %s is not of the house", e.Name())
		}
	}
}
