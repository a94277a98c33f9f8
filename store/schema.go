package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// Schema is how a backend's tables come to be, step by step, in one database. It is for the backend's Open and for
// operators; a journal that is open does not use it.
//
// Steps expand first and contract later: a step only adds what the version before it can live with, so that nodes of
// that version go on committing while and after it is made; what is no longer used is dropped by a later version.
type Schema struct {
	db       *sql.DB
	files    fs.FS
	provider *goose.Provider
	cfg      SchemaConfig
}

// SchemaConfig is what a Schema is made of.
type SchemaConfig struct {
	// Dialect is the database's.
	Dialect goose.Dialect
	DB      *sql.DB
	// Files are the steps: NNNNN_name.sql with a part Up and a part Down.
	Files fs.FS
	// Made asks, by a query of one row, how many tables of the name goose_db_version there are.
	Made string
	// Newer is the backend's error, for errors.Is, of a database that has steps this program does not know.
	Newer error
	// Close releases what the backend holds; nil for nothing. DB is closed before.
	Close func() error
	// Options go to goose, such as a lock.
	Options []goose.ProviderOption
}

// Step is one step of a Schema.
type Step struct {
	Version int64
	// Name is the file's; "" for a step that this program does not know.
	Name string
	// Applied is the wall instant, zero while the step is still to be made.
	Applied time.Time
}

// ErrNoStep tells that there is no step of the version that was named. For errors.Is.
var ErrNoStep = errors.New("no such schema")

// NewSchema reads the steps.
func NewSchema(cfg SchemaConfig) (*Schema, error) {
	options := append([]goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
	}, cfg.Options...)
	provider, err := goose.NewProvider(cfg.Dialect, cfg.DB, cfg.Files, options...)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return &Schema{db: cfg.DB, files: cfg.Files, provider: provider, cfg: cfg}, nil
}

// Close closes the database and releases what the backend holds.
func (s *Schema) Close() error {
	err := s.db.Close()
	if s.cfg.Close != nil {
		err = errors.Join(err, s.cfg.Close())
	}
	return err
}

// Latest is the version of the last step that this program knows.
func (s *Schema) Latest() int64 {
	sources := s.provider.ListSources()
	return sources[len(sources)-1].Version
}

// Status gives every step, known or made, ascending. It changes nothing.
func (s *Schema) Status(ctx context.Context) ([]Step, error) {
	applied, err := s.applied(ctx)
	if err != nil {
		return nil, fmt.Errorf("read schema version: %w", err)
	}
	var steps []Step
	for _, source := range s.provider.ListSources() {
		steps = append(steps, Step{source.Version, path.Base(source.Path), applied[source.Version]})
		delete(applied, source.Version)
	}
	for version, at := range applied {
		steps = append(steps, Step{version, "", at})
	}
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Compare(a.Version, b.Version) })
	return steps, nil
}

// applied gives when each step was made.
func (s *Schema) applied(ctx context.Context) (map[int64]time.Time, error) {
	var tables int
	if err := s.db.QueryRowContext(ctx, s.cfg.Made).Scan(&tables); err != nil || tables == 0 {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT version_id, tstamp FROM goose_db_version WHERE is_applied AND version_id > 0`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	applied := map[int64]time.Time{}
	for rows.Next() {
		var version int64
		var at time.Time
		if err := rows.Scan(&version, &at); err != nil {
			return nil, err
		}
		applied[version] = at.UTC()
	}
	return applied, rows.Err()
}

// Plan gives the steps that Up to a version would make, or Down to it undo, in that order. The error is the
// backend's Newer, or ErrNoStep.
func (s *Schema) Plan(ctx context.Context, up bool, to int64) ([]Step, error) {
	steps, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	if last := steps[len(steps)-1]; last.Name == "" {
		return nil, fmt.Errorf("%w: its schema is %d, this one knows up to %d; start the newer hexfleet, or restore"+
			" a backup made before the upgrade", s.cfg.Newer, last.Version, s.Latest())
	}
	if to != 0 && !slices.ContainsFunc(steps, func(step Step) bool { return step.Version == to }) {
		return nil, fmt.Errorf("%w: %d; there are 1 to %d", ErrNoStep, to, s.Latest())
	}
	plan := slices.DeleteFunc(steps, func(step Step) bool {
		if up {
			return !step.Applied.IsZero() || step.Version > to
		}
		return step.Applied.IsZero() || step.Version <= to
	})
	if !up {
		slices.Reverse(plan)
	}
	return plan, nil
}

// Up makes the steps up to a version, each in a transaction of its own; it gives those that were made.
func (s *Schema) Up(ctx context.Context, to int64) ([]Step, error) {
	return s.make(ctx, true, to, s.provider.UpTo)
}

// Down undoes the steps after a version, and with them what they have kept.
func (s *Schema) Down(ctx context.Context, to int64) ([]Step, error) {
	return s.make(ctx, false, to, s.provider.DownTo)
}

func (s *Schema) make(
	ctx context.Context, up bool, to int64, by func(context.Context, int64) ([]*goose.MigrationResult, error),
) ([]Step, error) {
	plan, err := s.Plan(ctx, up, to)
	if err != nil || len(plan) == 0 {
		return nil, err
	}
	results, err := by(ctx, to)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		results = partial.Applied
	}
	var done []Step
	for _, r := range results {
		done = append(done, Step{Version: r.Source.Version, Name: path.Base(r.Source.Path)})
	}
	if err != nil {
		return done, fmt.Errorf("migrate: %w", err)
	}
	return done, nil
}

// SQL gives the text that making a step would run, or undoing it.
func (s *Schema) SQL(step Step, up bool) (string, error) {
	text, err := fs.ReadFile(s.files, step.Name)
	if err != nil {
		return "", fmt.Errorf("read migration %d: %w", step.Version, err)
	}
	const upMark, downMark = "-- +goose Up\n", "-- +goose Down\n"
	_, rest, _ := strings.Cut(string(text), upMark)
	part, down, _ := strings.Cut(rest, downMark)
	if !up {
		part = down
	}
	var lines []string
	for line := range strings.Lines(part) {
		if !strings.HasPrefix(line, "-- +goose") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, "")) + "\n", nil
}
