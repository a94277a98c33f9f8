package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/gateway"
	"github.com/hexfleet/hexfleet/store"
	"github.com/hexfleet/hexfleet/store/postgres"
	"github.com/hexfleet/hexfleet/store/sqlite"
)

// storePatience is how long anyone waits for a database that other servers share, and that may be away, before it
// is told to come again: less than the half second after which a person wonders.
const storePatience = 400 * time.Millisecond

// journal is a server's store and what follows from its kind. Immutable after openJournal.
type journal struct {
	store.Journal
	// shared: other servers may have it open.
	shared bool
	// patience is how long anyone waits for it, 0 for as long as it takes: a file of one's own is never away.
	patience time.Duration
	clock    *dispatch.MarketClock
	// agree tells whether this server still has the market clock that the store says; nil when nobody else can
	// change that.
	agree func(context.Context) error
	// audit keeps refused accesses; nil where the store has no place for them.
	audit gateway.Audit
}

// openFor is how long (wall) the start tries a database that takes connections and does not answer in time: it may be
// starting too.
const openFor = 30 * time.Second

// openJournal opens the store that the flags name, and its market clock.
func openJournal(ctx context.Context, c *serveCmd, markets dispatch.Markets, log *slog.Logger) (*journal, error) {
	wall := dispatch.Wall{}
	for began := wall.Now(); ; {
		j, err := openStore(ctx, c, markets, wall, log)
		if err == nil || !errors.Is(err, context.DeadlineExceeded) || wall.Now().Sub(began) > openFor || ctx.Err() != nil {
			return j, err
		}
		log.Warn("the database is slow, trying again", "error", err)
		if err := pause(ctx, wall, time.Second); err != nil {
			return nil, err
		}
	}
}

// openStore is one try of openJournal.
func openStore(ctx context.Context, c *serveCmd, markets dispatch.Markets, wall dispatch.Clock, log *slog.Logger) (_ *journal, err error) {
	j := &journal{}
	if c.DatabaseURL == "" {
		if j.Journal, err = sqlite.Open(ctx, sqlite.Config{Dir: c.DataDir, Wall: wall, Log: log}); err != nil {
			return nil, err
		}
		j.clock, err = marketClock(ctx, j, wall.Now(), c.TimeScale)
	} else {
		if j.Journal, err = postgres.Open(ctx, postgres.Config{URL: c.DatabaseURL, Wall: wall, Log: log}); err != nil {
			return nil, err
		}
		j.shared, j.patience = true, storePatience
		j.clock, j.agree, err = sharedClock(ctx, j, markets, wall, c.TimeScale)
	}
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	j.audit, _ = j.Journal.(gateway.Audit)
	return j, nil
}

// checkDatabaseURL refuses what names no database. What is wrong with it is not told in the words of a parser, which
// might quote the password.
func checkDatabaseURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" ||
		u.Hostname() == "" && !u.Query().Has("host") {
		return usagef("--database-url is not postgres://USER:PASSWORD@HOST:PORT/DATABASE " +
			"(what is special in a user or password is percent-encoded)")
	}
	return nil
}

// marketClock goes on from the stored anchor, or sets a new one.
func marketClock(ctx context.Context, j store.Journal, now time.Time, scale float64) (*dispatch.MarketClock, error) {
	old, latest, err := readClock(ctx, j)
	if err != nil {
		return nil, err
	}
	anchor := old.Resume(now, latest, scale)
	if anchor != old {
		if err := j.SetAnchor(ctx, anchor); err != nil {
			return nil, fmt.Errorf("set the market clock: %w", err)
		}
	}
	return dispatch.NewMarketClock(anchor), nil
}

func readClock(ctx context.Context, j store.Journal) (anchor dispatch.Anchor, latest time.Time, err error) {
	if anchor, err = j.Anchor(ctx); err == nil {
		latest, err = j.Latest(ctx)
	}
	if err != nil {
		return anchor, latest, fmt.Errorf("read the market clock: %w", err)
	}
	return anchor, latest, nil
}

const (
	// anchorWait is how long a server that is not alone waits for the first one to set the market clock, and how long
	// one of another scale waits for what may be the lease of a server that was killed: longer than a lease.
	anchorWait = dispatch.LeaseFor + time.Second
	anchorPoll = 100 * time.Millisecond
	// clockSkew is by how much (wall) the clocks of machines that share a database may differ.
	clockSkew = 10 * time.Second
)

// sharedClock gives the market clock of a store that other servers share: there is one for all of them. A server
// that is alone goes on from the stored anchor or sets a new one, any other takes what is stored.
func sharedClock(
	ctx context.Context, j store.Journal, markets dispatch.Markets, wall dispatch.Clock, scale float64,
) (*dispatch.MarketClock, func(context.Context) error, error) {
	var anchor dispatch.Anchor
	for deadline := wall.Now().Add(anchorWait); ; {
		alone, err := takeAll(ctx, j, markets)
		if err != nil {
			return nil, nil, err
		}
		if alone {
			if err := setClock(ctx, j, wall.Now(), scale); err != nil {
				return nil, nil, err
			}
		}
		if anchor, err = j.Anchor(ctx); err != nil { // as the store keeps it, for agree
			return nil, nil, fmt.Errorf("read the market clock: %w", err)
		}
		if alone || anchor.Scale == scale {
			break
		}
		if !wall.Now().Before(deadline) {
			return nil, nil, otherClock(anchor)
		}
		if err := pause(ctx, wall, anchorPoll); err != nil {
			return nil, nil, err
		}
	}
	agree := func(ctx context.Context) error {
		now, err := j.Anchor(ctx)
		if err != nil {
			return fmt.Errorf("read the market clock: %w", err)
		}
		if !now.Wall.Equal(anchor.Wall) || !now.Market.Equal(anchor.Market) || now.Scale != anchor.Scale {
			return errors.New("the market clock of this database was set anew by another server: start again")
		}
		return nil
	}
	return dispatch.NewMarketClock(anchor), agree, nil
}

// setClock sets a new anchor when the stored one cannot go on. A market clock that is behind what was told by no more
// than the machines' clocks may differ does: a market's time never goes back whatever the clock shows, and servers
// that stand by have that anchor.
func setClock(ctx context.Context, j store.Journal, now time.Time, scale float64) error {
	old, latest, err := readClock(ctx, j)
	if err != nil {
		return err
	}
	behind := time.Duration(float64(clockSkew) * scale)
	if old.Scale == scale && latest.Sub(old.At(now)) <= behind {
		return nil
	}
	_, err = marketClock(ctx, j, now, scale)
	return err
}

// takeAll tries to take every market; it tells whether it could: no other server lives then that leads any. The
// first that cannot be taken ends it, so that of two servers that start together one finds itself alone.
func takeAll(ctx context.Context, j store.Leads, markets dispatch.Markets) (bool, error) {
	for _, m := range markets {
		_, err := j.Lead(ctx, m.ID)
		if errors.Is(err, dispatch.ErrHeld) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("take market %s: %w", m.ID, err)
		}
	}
	return true, nil
}

// otherClock is the refusal of a server whose clock cannot be the one that others have.
func otherClock(anchor dispatch.Anchor) error {
	if anchor.Scale == 0 {
		return errors.New("another server leads markets of this database and has set no market clock: start again")
	}
	return fmt.Errorf("the market clock of this database runs at --time-scale %v for another server that lives: "+
		"start this one with the same, or stop the other first", anchor.Scale)
}

func pause(ctx context.Context, wall dispatch.Clock, d time.Duration) error {
	fire, free := wall.After(wall.Now().Add(d))
	defer free()
	select {
	case <-fire:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
