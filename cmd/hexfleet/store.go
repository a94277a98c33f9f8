package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/postgres"
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
	if err := checkDatabaseURL(f.DatabaseURL); err != nil {
		return nil, err
	}
	if f.DatabaseURL != "" {
		return postgres.OpenSchema(ctx, f.DatabaseURL, change)
	}
	return sqlite.OpenSchema(ctx, f.dir(), change)
}

// record puts on record what was done to the store, whose tables have to be up to date.
func (f *storeFlags) record(ctx context.Context, action, object string, failure error) error {
	j, err := f.journal(ctx)
	if err != nil {
		return err
	}
	return errors.Join(putOnRecord(ctx, j, action, object, failure), j.Close())
}

// journal opens the store beside the servers that may be using it.
func (f *storeFlags) journal(ctx context.Context) (auditLog, error) {
	if f.DatabaseURL == "" {
		return sqlite.Attach(ctx, sqlite.Config{Dir: f.dir()})
	}
	s, err := f.schema(ctx, false)
	if err != nil {
		return nil, err
	}
	plan, err := s.Plan(ctx, true, s.Latest())
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	if len(plan) > 0 {
		return nil, errors.New("the database is of an older hexfleet: run 'hexfleet migrate up', or start a server once")
	}
	return postgres.Open(ctx, postgres.Config{URL: f.DatabaseURL})
}

// auditLog is what the audit commands need of a store.
type auditLog interface {
	store.Audit
	Close() error
}

// audit opens the audit log, beside the servers that may be using the store.
func (f *storeFlags) audit(ctx context.Context) (auditLog, error) {
	if f.DatabaseURL == "" {
		return sqlite.OpenReader(ctx, sqlite.Config{Dir: f.dir()})
	}
	return f.journal(ctx)
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
