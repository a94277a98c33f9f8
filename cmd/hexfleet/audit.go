package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
)

// auditCmd shows and checks the audit log.
type auditCmd struct {
	Export auditExportCmd `cmd:"" help:"Print the audit log, a JSON object a line, checking it on the way."`
	Verify auditVerifyCmd `cmd:"" help:"Check that no entry was changed, moved, or is missing; print where each chain ends."`
}

// auditExportCmd prints the audit log.
type auditExportCmd struct {
	storeFlags
	From   string `help:"Entries from this instant on: RFC 3339, or a date in UTC." placeholder:"TIME"`
	To     string `help:"Entries before this instant." placeholder:"TIME"`
	Chain  string `help:"Only this chain: market:ID, access or operator (default: all)." placeholder:"CHAIN"`
	Reveal bool   `help:"Tell who the digests of riders and drivers stand for, as far as they were not erased."`
}

// auditLine is one entry as it is printed; an operator's tools rely on the names.
type auditLine struct {
	Chain     dispatch.AuditChain `json:"chain"`
	N         int64               `json:"n"`
	At        string              `json:"at"` // RFC 3339 UTC with microseconds
	Actor     auditActor          `json:"actor"`
	Action    string              `json:"action"`
	Object    *string             `json:"object"`
	Outcome   string              `json:"outcome"`
	Before    *auditStanding      `json:"before"`
	After     *auditStanding      `json:"after"`
	RequestID *string             `json:"request_id"`
	Count     int64               `json:"count"`
	Hash      string              `json:"hash"`
}

type auditActor struct {
	Role *string `json:"role"`
	Sub  *string `json:"sub"`
	// Revealed is the sub that a digest stands for; left out unless asked for.
	Revealed string `json:"revealed,omitempty"`
}

type auditStanding struct {
	State   dispatch.State `json:"state"`
	Version int64          `json:"version"`
}

func lineOf(r *store.AuditRecord, known map[string]dispatch.By) auditLine {
	return auditLine{
		Chain: r.Chain, N: r.N, At: r.At.Format("2006-01-02T15:04:05.000000Z07:00"),
		Actor:  auditActor{orNull(string(r.Actor.Role)), orNull(r.Actor.Sub), known[r.Actor.Sub].Sub},
		Action: r.Action, Object: orNull(r.Object), Outcome: r.Outcome,
		Before: standingLine(r.Before), After: standingLine(r.After),
		RequestID: orNull(r.RequestID), Count: r.Count, Hash: hex.EncodeToString(r.Hash[:]),
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func standingLine(s dispatch.Standing) *auditStanding {
	if s == (dispatch.Standing{}) {
		return nil
	}
	return &auditStanding{s.State, s.Version}
}

// Run implements the command.
func (c *auditExportCmd) Run(ctx context.Context, std stdio) (err error) {
	from, err := instantFlag("--from", c.From)
	if err != nil {
		return err
	}
	to, err := instantFlag("--to", c.To)
	if err != nil {
		return err
	}
	log, err := c.audit(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var known map[string]dispatch.By
	if c.Reveal {
		if known, err = log.AuditActors(ctx); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(std.Out)
	lines := json.NewEncoder(out)
	err = eachChain(ctx, log, dispatch.AuditChain(c.Chain), func(chain dispatch.AuditChain) error {
		_, err := store.ReadAudit(ctx, log, chain, func(r *store.AuditRecord) error {
			if r.At.Before(from) || !to.IsZero() && !r.At.Before(to) {
				return nil
			}
			return lines.Encode(lineOf(r, known))
		})
		return err
	})
	return errors.Join(err, out.Flush())
}

// instantFlag reads an instant; the zero time when none was given.
func instantFlag(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usagef("%s must be RFC 3339 or a date, not %q", flag, text)
}

// eachChain calls do for each chain of the log, or for the one named.
func eachChain(ctx context.Context, log store.Audit, only dispatch.AuditChain, do func(dispatch.AuditChain) error) error {
	heads, err := log.AuditHeads(ctx)
	if err != nil {
		return err
	}
	found := only == "" || only == dispatch.ChainAccess || only == dispatch.ChainOperator // which begin empty
	for _, h := range heads {
		if only != "" && h.Chain != only {
			continue
		}
		found = true
		if err := do(h.Chain); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("the audit log has no chain %s", only)
	}
	return nil
}

// auditVerifyCmd checks the audit log.
type auditVerifyCmd struct {
	storeFlags
	Heads string `help:"What this command printed before: each chain must still hold what it held then." placeholder:"FILE"`
}

// Run implements the command.
func (c *auditVerifyCmd) Run(ctx context.Context, std stdio) (err error) {
	kept, err := readHeads(c.Heads)
	if err != nil {
		return err
	}
	log, err := c.audit(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var first error
	err = eachChain(ctx, log, "", func(chain dispatch.AuditChain) error {
		head, err := verifyChain(ctx, log, chain, kept)
		delete(kept, chain)
		if _, broken := errors.AsType[*store.AuditFault](err); broken {
			fmt.Fprintln(std.Err, err)
			first = cmp.Or(first, err)
			return nil
		}
		if err == nil {
			_, err = fmt.Fprintf(std.Out, "%s %d %x\n", head.Chain, head.N, head.Hash)
		}
		return err
	})
	for chain, head := range kept {
		gone := &store.AuditFault{Chain: chain, N: 1, What: fmt.Sprintf("is missing: the chain had %d entries and is gone", head.N)}
		fmt.Fprintln(std.Err, gone)
		first = cmp.Or[error](first, gone)
	}
	if err == nil && first != nil {
		err = fmt.Errorf("the audit log is not as it was written: %w", first)
	}
	return err
}

// verifyChain checks one chain, and that it holds what a head that was kept says.
func verifyChain(
	ctx context.Context, log store.Audit, chain dispatch.AuditChain, kept map[dispatch.AuditChain]store.AuditHead,
) (store.AuditHead, error) {
	was := kept[chain]
	head, err := store.ReadAudit(ctx, log, chain, func(r *store.AuditRecord) error {
		if r.N == was.N && r.Hash != was.Hash {
			return &store.AuditFault{Chain: chain, N: r.N, What: "is another than the head that was kept: the chain was written anew"}
		}
		return nil
	})
	if err == nil && head.N < was.N {
		err = &store.AuditFault{Chain: chain, N: head.N + 1, What: fmt.Sprintf("is missing: the chain had %d entries", was.N)}
	}
	return head, err
}

// readHeads reads lines of chain, number and hash; none for no file.
func readHeads(path string) (map[dispatch.AuditChain]store.AuditHead, error) {
	heads := map[dispatch.AuditChain]store.AuditHead{}
	if path == "" {
		return heads, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the heads: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var h store.AuditHead
		var hash []byte
		if _, err := fmt.Sscanf(line, "%s %d %x", &h.Chain, &h.N, &hash); err != nil || copy(h.Hash[:], hash) != len(h.Hash) {
			return nil, fmt.Errorf("read the heads: %s: %q is no line of chain, number and hash: %w", path, line, cmp.Or(err, io.ErrUnexpectedEOF))
		}
		heads[h.Chain] = h
	}
	return heads, nil
}
