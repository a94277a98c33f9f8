package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// storeFlags name the store that a tool works on: that of a data dir, or a database.
type storeFlags struct {
	DataDir     string `help:"The data dir of a server on SQLite (default: ./hexfleet-data)." placeholder:"DIR" xor:"store"`
	DatabaseURL string `name:"database-url" env:"HEXFLEET_DATABASE_URL" help:"The Postgres database of the servers." placeholder:"URL" xor:"store"`
}

func (f *storeFlags) dir() string { return cmp.Or(f.DataDir, defaultDataDir) }

// schema opens the steps of the store's tables, to look at or to change.
func (f *storeFlags) schema(ctx context.Context, change bool) (*store.Schema, error) {
	return sqlite.OpenSchema(ctx, f.dir(), change)
}

// record puts on record what was done to the store's tables, which have to be up to date. On SQLite no server may be
// using it.
func (f *storeFlags) record(ctx context.Context, action, object string, failure error) (err error) {
	if plan, err := f.pending(ctx); err != nil || plan > 0 {
		return cmp.Or(err, errors.New("the audit log needs the latest schema"))
	}
	j, err := sqlite.Open(ctx, sqlite.Config{Dir: f.dir()})
	if err != nil {
		return err
	}
	return errors.Join(putOnRecord(ctx, j, action, object, failure), j.Close())
}

// pending counts the steps that are to be made.
func (f *storeFlags) pending(ctx context.Context) (int, error) {
	s, err := f.schema(ctx, false)
	if err != nil {
		return 0, err
	}
	plan, err := s.Plan(ctx, true, s.Latest())
	return len(plan), errors.Join(err, s.Close())
}

// auditLog is what the audit commands need of a store.
type auditLog interface {
	store.Audit
	Close() error
}

// audit opens the audit log, beside a server that may be using the store.
func (f *storeFlags) audit(ctx context.Context) (auditLog, error) {
	return sqlite.OpenReader(ctx, sqlite.Config{Dir: f.dir()})
}

// auditor keeps entries of the audit log; store.Audit has it.
type auditor interface {
	Record(ctx context.Context, chain dispatch.AuditChain, entries []dispatch.AuditEntry) error
}

// putOnRecord keeps what an operator did with the command line: action is the command, object what it was about
// (kind:id; a rider's or driver's id is kept as a digest), failure why it was not done.
func putOnRecord(ctx context.Context, log auditor, action, object string, failure error) error {
	e := dispatch.AuditEntry{
		Actor: dispatch.By{Role: dispatch.RoleOperator, Sub: whoami()}, Action: action, Object: object,
		Outcome: dispatch.CodeOf(failure),
	}
	if err := log.Record(ctx, dispatch.ChainOperator, []dispatch.AuditEntry{e}); err != nil {
		return fmt.Errorf("put %s on record: %w", action, err)
	}
	return nil
}

// whoami is the name by which the machine knows the operator.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return cmp.Or(u.Username, "uid:"+u.Uid)
}
