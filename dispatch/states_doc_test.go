package dispatch

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/states.md anew")

// TestStatesDoc keeps docs/states.md to what the transition table says.
func TestStatesDoc(t *testing.T) {
	const path = "../docs/states.md"
	got := statesDoc()
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the transition table says; make states writes it anew", path)
	}
}

// statesDoc draws the table: first the steps, then the cancels, which would hide them.
func statesDoc() []byte {
	var b bytes.Buffer
	b.WriteString("# States of an order\n\n" +
		"Generated from `dispatch.Transitions` by `make states`; `make verify` compares. Admin may do all that\n" +
		"dispatcher may. Edits and reassignments keep the state and are not drawn.\n\n" +
		"```mermaid\nstateDiagram-v2\n")
	var cancels []Rule
	for _, r := range Transitions() {
		if r.To == StateCancelled {
			cancels = append(cancels, r)
			continue
		}
		from := string(r.From)
		if from == "" {
			from = "[*]"
		}
		fmt.Fprintf(&b, "    %s --> %s: %s\n", from, r.To, roles(r.By))
	}
	for _, s := range States() {
		if s.Closed() {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n\n| cancelled from | by |\n|---|---|\n")
	for _, r := range cancels {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.From, roles(r.By))
	}
	return b.Bytes()
}

func roles(by []Role) string {
	names := make([]string, len(by))
	for i, r := range by {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}
