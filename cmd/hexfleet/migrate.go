package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/hexfleet/hexfleet/store"
)

// migrateCmd shows and changes the tables of a store.
type migrateCmd struct {
	Status migrateStatusCmd `cmd:"" help:"Print the steps of the schema and which are made."`
	Up     migrateUpCmd     `cmd:"" help:"Make the steps that are missing; a server does so when it starts."`
	Down   migrateDownCmd   `cmd:"" help:"Undo steps, and delete what they keep."`
}

// migrateStatusCmd prints the steps.
type migrateStatusCmd struct{ storeFlags }

// Run implements the command.
func (c *migrateStatusCmd) Run(ctx context.Context, std stdio) (err error) {
	s, err := c.schema(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	steps, err := s.Status(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SCHEMA\tSTATE\tAPPLIED\tSTEP")
	for _, step := range steps {
		state, applied, name := "pending", "-", step.Name
		if !step.Applied.IsZero() {
			state, applied = "applied", step.Applied.Format("2006-01-02T15:04:05Z")
		}
		if name == "" {
			state, name = "unknown", "(of a newer hexfleet)"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", step.Version, state, applied, name)
	}
	return w.Flush()
}

// migrateUpCmd makes steps.
type migrateUpCmd struct {
	storeFlags
	To     int64 `help:"The schema to reach (default: the latest)." placeholder:"N"`
	DryRun bool  `help:"Print the SQL and change nothing."`
}

// Run implements the command.
func (c *migrateUpCmd) Run(ctx context.Context, std stdio) (err error) {
	if c.To < 0 {
		return usagef("--to must not be negative")
	}
	s, err := c.schema(ctx, !c.DryRun)
	if err != nil {
		return err
	}
	to := c.To
	if to == 0 {
		to = s.Latest()
	}
	done, err := migrate(ctx, s, std, true, to, c.DryRun)
	latest := s.Latest()
	if err = errors.Join(err, s.Close()); err != nil || len(done) == 0 || c.DryRun {
		return err
	}
	if to < latest {
		fmt.Fprintln(std.Err, "not put on record: the audit log needs the latest schema")
		return nil
	}
	return c.record(ctx, "migrate.up", fmt.Sprintf("schema:%d", to), nil)
}

// migrateDownCmd undoes steps.
type migrateDownCmd struct {
	storeFlags
	To     int64 `help:"The schema to go back to; 0 is an empty database (default: one step back)." default:"-1" placeholder:"N"`
	DryRun bool  `help:"Print the SQL and change nothing."`
	Yes    bool  `help:"Undo the steps, and delete what they keep."`
}

// Run implements the command.
func (c *migrateDownCmd) Run(ctx context.Context, std stdio) error {
	if !c.Yes && !c.DryRun {
		return usagef("migrate down deletes what the steps keep: make a backup, look with --dry-run, then add --yes")
	}
	to, err := c.target(ctx)
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.down(ctx, std, to)
	}
	// The log may be gone afterwards: it is told before, and again when it did not come to that.
	act := fmt.Sprintf("schema:%d", to)
	if err := c.record(ctx, "migrate.down", act, nil); err != nil {
		fmt.Fprintf(std.Err, "not put on record: %v\n", err)
		return c.down(ctx, std, to)
	}
	if err = c.down(ctx, std, to); err != nil {
		err = errors.Join(err, c.record(ctx, "migrate.down", act, err))
	}
	return err
}

// target gives the schema to go back to: the one named, or the one before the present one.
func (c *migrateDownCmd) target(ctx context.Context) (to int64, err error) {
	s, err := c.schema(ctx, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	plan, err := s.Plan(ctx, false, max(c.To, 0))
	switch {
	case err != nil || c.To >= 0:
		return c.To, err
	case len(plan) < 2:
		return 0, nil
	}
	return plan[1].Version, nil
}

func (c *migrateDownCmd) down(ctx context.Context, std stdio, to int64) (err error) {
	s, err := c.schema(ctx, !c.DryRun)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, err = migrate(ctx, s, std, false, to, c.DryRun)
	return err
}

// migrate makes or undoes the steps to a version and tells of each, or prints what it would run.
func migrate(ctx context.Context, s *store.Schema, std stdio, up bool, to int64, dry bool) ([]store.Step, error) {
	plan, err := s.Plan(ctx, up, to)
	if err != nil {
		return nil, err
	}
	if len(plan) == 0 {
		_, err := fmt.Fprintf(std.Out, "nothing to do: the schema is %s\n", upToDate(ctx, s))
		return nil, err
	}
	if dry {
		for _, step := range plan {
			text, err := s.SQL(step, up)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(std.Out, "-- %s %s\n%s\n", map[bool]string{true: "make", false: "undo"}[up], step.Name, text)
		}
		return plan, nil
	}
	do, word := s.Up, "applied"
	if !up {
		do, word = s.Down, "undone"
	}
	done, err := do(ctx, to)
	for _, step := range done {
		fmt.Fprintf(std.Out, "%s %s\n", word, step.Name)
	}
	return done, err
}

// upToDate tells the present schema in words.
func upToDate(ctx context.Context, s *store.Schema) string {
	plan, err := s.Plan(ctx, false, 0)
	switch {
	case err != nil:
		return err.Error()
	case len(plan) == 0:
		return "empty"
	case plan[0].Version == s.Latest():
		return fmt.Sprintf("up to date (%d)", s.Latest())
	}
	return fmt.Sprintf("at %d", plan[0].Version)
}
