package postgres

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/store/storetest"
)

// two opens two nodes on one database, whose leases do not run out.
func two(t *testing.T) (a, b *Journal) {
	t.Helper()
	url := lasting(t)
	return openAt(t, url, nil), openAt(t, url, nil)
}

// lasting gives a place where a row of a node is good until it is given up: else a test that a busy machine lets
// stand for dispatch.LeaseFor would see markets change hands, as they should.
func lasting(t *testing.T) string {
	t.Helper()
	url := place(t)
	run(t, url, `
CREATE FUNCTION lasting() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.expires = 'infinity'; RETURN NEW; END$$;
CREATE TRIGGER lasting BEFORE INSERT OR UPDATE ON nodes FOR EACH ROW EXECUTE FUNCTION lasting()`)
	return url
}

func wantHeld(t *testing.T, j *Journal, m dispatch.MarketID) {
	t.Helper()
	if _, err := j.Lead(t.Context(), m); !errors.Is(err, dispatch.ErrHeld) {
		t.Fatalf("lead %s gave %v, want %v", m, err, dispatch.ErrHeld)
	}
}

// wantDeposed checks that a node's batch is fenced and leaves nothing.
func wantDeposed(t *testing.T, j *Journal, b *storetest.Book) {
	t.Helper()
	b.Create("late", "r1")
	if err := j.Commit(t.Context(), b.Batch()); !errors.Is(err, dispatch.ErrFenced) {
		t.Errorf("a deposed node's commit gave %v, want %v", err, dispatch.ErrFenced)
	}
	if _, err := j.Order(t.Context(), "late"); dispatch.CodeOf(err) != dispatch.CodeNotFound {
		t.Errorf("its order gave %v", err)
	}
}

func TestLead_Held_until_the_leader_resigns(t *testing.T) {
	first, second := two(t)
	book := storetest.NewBook(t, first, "sf")
	book.Create("o1", "r1")
	book.Commit()
	wantHeld(t, second, "sf")
	if lease, err := first.Lead(t.Context(), "sf"); err != nil || lease.Epoch != 2 {
		t.Errorf("its own leader got %+v, %v", lease, err)
	}
	other := storetest.NewBook(t, second, "la") // another market is free
	other.Commit()
	wantHeld(t, first, "la")
	if err := first.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	lease, err := second.Lead(t.Context(), "sf")
	if want := (dispatch.Lease{Market: "sf", Epoch: 3, Batch: 1, Last: 1}); err != nil || lease != want {
		t.Errorf("lease %+v, %v, want %+v", lease, err, want)
	}
	wantDeposed(t, first, book)
	if err := first.Renew(t.Context()); err != nil { // a node again, of no market
		t.Fatal(err)
	}
	wantHeld(t, first, "sf")
	other.Create("o2", "r1")
	other.Commit()
}

func TestLead_Held_until_the_leader_closes(t *testing.T) {
	first, second := two(t)
	storetest.NewBook(t, first, "sf")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Lead(t.Context(), "sf"); err != nil {
		t.Errorf("lead: %v", err)
	}
}

func TestLead_Held_as_long_as_the_leader_renews_and_no_longer(t *testing.T) {
	t.Parallel() // it mostly waits
	url := place(t)
	first, second := openAt(t, url, nil), openAt(t, url, nil)
	book := storetest.NewBook(t, first, "sf")
	var before, until, after time.Time
	if err := first.reads.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&before); err != nil {
		t.Fatal(err)
	}
	if err := first.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := first.reads.QueryRow(t.Context(), `SELECT expires, clock_timestamp() FROM nodes WHERE id = $1`, first.node).
		Scan(&until, &after)
	if err != nil {
		t.Fatal(err)
	}
	if until.Before(before.Add(dispatch.LeaseFor)) || until.After(after.Add(dispatch.LeaseFor)) {
		t.Errorf("renewed between %v and %v it holds until %v", before, after, until)
	}
	// From here on it is lost without a word.
	soon(t, "taken over", func() error {
		_, err := second.Lead(t.Context(), "sf")
		return err
	})
	var now time.Time
	if err := second.reads.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&now); err != nil || now.Before(until) {
		t.Errorf("taken over by %v, %v, of one who held it until %v", now, err, until)
	}
	wantDeposed(t, first, book)
}

// A leader that stopped in the middle of a commit holds the market's row for as long as it stands still; who takes the
// market ends its session.
func TestLead_Ends_the_sessions_of_a_leader_that_is_lost(t *testing.T) {
	t.Parallel() // it mostly waits
	url := place(t)
	first, second := openAt(t, url, nil), openAt(t, url, nil)
	storetest.NewBook(t, first, "sf")
	cfg, err := pgx.ParseConfig(first.writes.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = application(first.node) // a session of it, but for the bounds
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `UPDATE markets SET batch = batch + 1`); err != nil {
		t.Fatal(err)
	}
	soon(t, "taken over", func() error {
		_, err := second.Lead(t.Context(), "sf")
		return err
	})
	if err := tx.Commit(t.Context()); err == nil {
		t.Error("the lost leader's transaction went through")
	}
	if lease, err := second.Lead(t.Context(), "sf"); err != nil || lease.Batch != 0 || lease.Epoch != 3 {
		t.Errorf("lease %+v, %v", lease, err)
	}
}

// untilBlocked returns once a session waits for another.
func untilBlocked(t *testing.T, j *Journal) {
	t.Helper()
	soon(t, "waiting", func() error {
		var n int
		err := j.reads.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (
			SELECT pid FROM pg_stat_activity WHERE datname = current_database())`).Scan(&n)
		if err == nil && n == 0 {
			err = errors.New("nobody waits")
		}
		return err
	})
}

// Lead waits for a commit in flight: what it tells of the market cannot change after.
func TestLead_Waits_for_a_commit_in_flight(t *testing.T) {
	url := place(t)
	j := openAt(t, url, nil)
	storetest.NewBook(t, j, "sf")
	conn, err := j.writes.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `UPDATE markets SET batch = batch + 1, last_epoch = 1`); err != nil {
		t.Fatal(err)
	}
	leases := make(chan dispatch.Lease, 1)
	var asking sync.WaitGroup
	asking.Go(func() {
		lease, err := j.Lead(t.Context(), "sf")
		if err != nil {
			t.Errorf("lead: %v", err)
		}
		leases <- lease
	})
	untilBlocked(t, j)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	asking.Wait()
	if got, want := <-leases, (dispatch.Lease{Market: "sf", Epoch: 2, Batch: 1, Last: 1}); got != want {
		t.Errorf("lease %+v, want %+v", got, want)
	}
}

func TestLead_Many_nodes_and_one_leads(t *testing.T) {
	url := lasting(t)
	var nodes []*Journal
	for range 6 {
		nodes = append(nodes, openAt(t, url, nil))
	}
	for round := range 5 {
		m := dispatch.MarketID(fmt.Sprint("m", round))
		leads := make([]bool, len(nodes))
		var all sync.WaitGroup
		for i, j := range nodes {
			all.Go(func() {
				_, err := j.Lead(t.Context(), m)
				if leads[i] = err == nil; err != nil && !errors.Is(err, dispatch.ErrHeld) {
					t.Errorf("lead: %v", err)
				}
			})
		}
		all.Wait()
		n := 0
		for _, won := range leads {
			if won {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d nodes lead %s", n, m)
		}
	}
}

func TestSetAnchor_Keeps_the_scale_while_another_node_lives(t *testing.T) {
	first, second := two(t)
	for _, j := range []*Journal{first, second} {
		if err := j.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	anchor := dispatch.Anchor{Wall: storetest.Start(), Market: storetest.Start(), Scale: 1}
	if err := first.SetAnchor(t.Context(), anchor); err != nil {
		t.Fatal(err)
	}
	anchor.Market = anchor.Market.Add(time.Hour)
	if err := second.SetAnchor(t.Context(), anchor); err != nil {
		t.Errorf("the same scale: %v", err)
	}
	anchor.Scale = 10
	if err := second.SetAnchor(t.Context(), anchor); dispatch.CodeOf(err) != dispatch.CodeConflict {
		t.Errorf("another scale gave %v, want a conflict", err)
	}
	if err := first.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.SetAnchor(t.Context(), anchor); err != nil {
		t.Errorf("another scale, alone: %v", err)
	}
}

// Claims of one driver by several nodes: its row in the database is what makes them one.
func TestClaim_Nodes_race_and_one_market_wins(t *testing.T) {
	first, second := two(t)
	for round := range 50 {
		d := dispatch.DriverID(fmt.Sprint("d", round))
		var claims [8]dispatch.Claim
		var all sync.WaitGroup
		for i := range claims {
			j, m := first, dispatch.MarketID("sf")
			if i%2 == 1 {
				j, m = second, "la"
			}
			all.Go(func() {
				var err error
				if claims[i], err = j.Claim(t.Context(), d, m); err != nil {
					t.Errorf("claim: %v", err)
				}
			})
		}
		all.Wait()
		for i := range claims {
			if (claims[i].Held == "") != (claims[i%2].Held == "") || (claims[0].Held == "") == (claims[1].Held == "") {
				t.Fatalf("round %d: %+v", round, claims)
			}
		}
	}
}

// A leader that was paused goes on in the middle of a request: its claim must not outlast what the next leader did.
func TestClaim_Is_not_made_for_a_market_that_another_leads(t *testing.T) {
	first, second := two(t)
	if _, err := second.Lead(t.Context(), "sf"); err != nil {
		t.Fatal(err)
	}
	if claim, err := first.Claim(t.Context(), "d1", "sf"); dispatch.CodeOf(err) != dispatch.CodeUnavailable {
		t.Errorf("claim gave %+v, %v, want unavailable", claim, err)
	}
	if claim, err := second.Claim(t.Context(), "d1", "la"); err != nil || claim.Held != "" {
		t.Errorf("claim gave %+v, %v, want it made", claim, err)
	}
}

func TestClaim_Waits_for_another_and_sees_it(t *testing.T) {
	url := place(t)
	j := openAt(t, url, nil)
	run(t, url, `INSERT INTO drivers (id) VALUES ('d1')`)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `UPDATE drivers SET claim_market = 'la', claimed_at = $1`, time.Now().UnixMicro()); err != nil {
		t.Fatal(err)
	}
	var claim dispatch.Claim
	var claiming sync.WaitGroup
	claiming.Go(func() { claim, err = j.Claim(t.Context(), "d1", "sf") })
	untilBlocked(t, j)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	claiming.Wait()
	if err != nil || claim.Held != "la" {
		t.Errorf("claim gave %+v, %v, want it held by la", claim, err)
	}
}

// Two markets on two nodes give one driver an order each: its capacity is counted over both.
func TestCommit_Nodes_race_for_a_driver_and_one_gets_it(t *testing.T) {
	first, second := two(t)
	books := []*storetest.Book{storetest.NewBook(t, first, "sf"), storetest.NewBook(t, second, "la")}
	for round := range 50 {
		errs := make([]error, len(books))
		var all sync.WaitGroup
		for i, b := range books {
			id := dispatch.OrderID(fmt.Sprintf("o%d-%d", round, i))
			b.Create(id, "r1")
			b.Commit()
			b.Move(id, dispatch.StateEnRouteToPickup, storetest.With(dispatch.DriverID(fmt.Sprint("d", round))))
			all.Go(func() { errs[i] = b.TryCommit() })
		}
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), dispatch.ErrRefused) {
			t.Fatalf("round %d: %v and %v", round, errs[0], errs[1])
		}
	}
}

// A market counts a driver's orders only when those who count for the same driver elsewhere are done.
func TestCommit_Capacity_waits_for_another_market(t *testing.T) {
	url := place(t)
	j := openAt(t, url, nil)
	here, there := storetest.NewBook(t, j, "sf"), storetest.NewBook(t, j, "la")
	here.Create("o1", "r1")
	here.Commit()
	there.Create("o2", "r2")
	there.Commit()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), `SELECT set_config('hexfleet.commit', 'on', true);
		UPDATE orders SET version = 2, state = 'en_route_to_pickup', driver_id = 'd1' WHERE id = 'o2';
		SELECT journal_capacity(ARRAY['d1'])`)
	if err != nil {
		t.Fatal(err)
	}
	here.Move("o1", dispatch.StateEnRouteToPickup, storetest.With("d1"))
	var committing sync.WaitGroup
	committing.Go(func() { err = here.TryCommit() })
	untilBlocked(t, j)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	committing.Wait()
	if !errors.Is(err, dispatch.ErrRefused) {
		t.Errorf("commit gave %v, want %v", err, dispatch.ErrRefused)
	}
}
