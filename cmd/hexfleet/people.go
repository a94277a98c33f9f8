package main

import (
	"context"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/postgres"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// personFlags name a rider or a driver.
type personFlags struct {
	Rider  string `help:"The rider's id: the sub of its tokens." placeholder:"ID" xor:"person" required:""`
	Driver string `help:"The driver's id." placeholder:"ID" xor:"person" required:""`
}

func (f *personFlags) person() (dispatch.Person, error) {
	p := dispatch.Person{Role: dispatch.RoleRider, ID: f.Rider}
	if f.Driver != "" {
		p = dispatch.Person{Role: dispatch.RoleDriver, ID: f.Driver}
	}
	if !dispatch.ValidID(p.ID) {
		return p, usagef("--%s must be 1 to %d characters of [A-Za-z0-9._:-], not %q", p.Role, dispatch.MaxIDLen, p.ID)
	}
	return p, nil
}

// peopleStore is what the tools for people's data need of a store.
type peopleStore interface {
	store.Archive
	store.Audit
	Close() error
}

// people opens the store beside the servers that may be using it.
func (f *storeFlags) people(ctx context.Context) (peopleStore, error) {
	if f.DatabaseURL == "" {
		return sqlite.Attach(ctx, sqlite.Config{Dir: f.dir()})
	}
	if err := checkDatabaseURL(f.DatabaseURL); err != nil {
		return nil, err
	}
	return postgres.Open(ctx, postgres.Config{URL: f.DatabaseURL})
}

// stopped tells that no server has the store open, as far as that can be told: of a database it cannot.
func (f *storeFlags) stopped() (bool, error) {
	if f.DatabaseURL != "" {
		return false, nil
	}
	used, err := sqlite.InUse(f.dir())
	return !used, err
}
