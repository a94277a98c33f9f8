package market

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/geo"
)

// rewrite makes the scenarios tell what the core does now; the diff is then to be explained.
var rewrite = flag.Bool("rewrite", false, "write the scenarios in testdata anew")

// Market behaviour is told in text: testdata/*.txt hold commands (run, below, and the functions that it
// calls), each with the effects that it must have after a line of four dashes, up to the next empty line.
func TestCore_Step(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// play runs the commands of a scenario and gives the scenario with what they did.
func play(t *testing.T, text string) string {
	var out bytes.Buffer
	s := newScenario(t)
	expecting := false
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch {
		case line == "----":
			expecting = true
			continue
		case line == "":
			expecting = false
		case expecting:
			continue
		}
		if line == "" {
			continue
		}
		fmt.Fprintln(&out, line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		s.line = n + 1
		s.out.Reset()
		s.run(strings.Fields(line))
		if s.out.Len() == 0 {
			s.sayf("nothing")
		}
		fmt.Fprintf(&out, "----\n%s\n", s.out.Bytes())
	}
	return out.String()
}

// t0 is when every scenario begins.
var t0 = time.Date(2008, 5, 31, 6, 10, 0, 0, time.UTC)

// scenario is one market under test: a core, the journal that its effects are committed to step by step,
// and the words in which they are told.
type scenario struct {
	t       *testing.T
	line    int
	policy  dispatch.Policy
	journal *memory
	core    *Core
	now     time.Time
	next    time.Time
	// seek waits for near; nil when none does.
	seek *Seek
	// offers are f1, f2 and so on in the order in which they were made.
	offers map[dispatch.OfferID]string
	byName map[string]dispatch.OfferID
	out    bytes.Buffer
}

func newScenario(t *testing.T) *scenario {
	s := &scenario{
		t: t, policy: dispatch.DefaultPolicy(), journal: newMemory("sf"), now: t0,
		offers: map[dispatch.OfferID]string{}, byName: map[string]dispatch.OfferID{},
	}
	if _, err := s.journal.Lead(t.Context(), "sf"); err != nil {
		t.Fatal(err)
	}
	s.core = NewCore("sf", s.policy, dispatch.Recovery{})
	s.step(Tick{})
	return s
}

func (s *scenario) fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("line %d: %s", s.line, fmt.Sprintf(format, args...))
}

// run does one command. Words of the form key=value are its options.
func (s *scenario) run(words []string) {
	op, args, opt := words[0], []string{}, map[string]string{}
	for _, w := range words[1:] {
		if key, value, ok := strings.Cut(w, "="); ok && !strings.Contains(key, ":") {
			opt[key] = value
		} else {
			args = append(args, w)
		}
	}
	switch op {
	case "policy": // changes some keys, or with a JSON object all: what it does not name is the default
		if strings.HasPrefix(words[1], "{") {
			s.readPolicy(strings.Join(words[1:], " "))
		} else {
			s.setPolicy(opt)
		}
	case "wait": // lets time pass, stepping the core whenever it asks for it
		s.wait(s.duration(args[0]))
	case "skip": // moves the clock without a step
		s.now = s.now.Add(s.duration(args[0]))
	case "near": // feeds candidates: near o1:d1=60,d2=90 o2:d1=70 [round=1] [trip=600] [hurry=1]; d1=90/60 waits 60 s
		s.near(words[1:], opt)
	case "recover":
		s.recover()
	case "show":
		s.show(args[0])
	case "every": // does the rest of the line to an order in each state
		s.every(words[1:])
	default:
		s.do(op, args, opt)
	}
}

func (s *scenario) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.fatalf("%v", err)
	}
	return d
}

func (s *scenario) setPolicy(opt map[string]string) {
	for key, value := range opt {
		spans := map[string]*time.Duration{
			"window": &s.policy.Window, "offer_ttl": &s.policy.OfferTTL, "search_timeout": &s.policy.SearchTimeout,
			"max_pickup": &s.policy.MaxPickup, "no_show": &s.policy.NoShow, "lead": &s.policy.Lead,
		}
		switch {
		case key == "mode":
			s.policy.Mode = dispatch.Mode(value)
		case spans[key] != nil:
			*spans[key] = s.duration(value)
		default:
			s.fatalf("unknown policy %q", key)
		}
	}
	s.step(Reload{Policy: s.policy})
}

func (s *scenario) readPolicy(text string) {
	p, err := dispatch.ParsePolicy([]byte(text))
	if err != nil {
		s.fatalf("policy%v", err)
	}
	s.policy = p
	s.step(Reload{Policy: s.policy})
}

func (s *scenario) wait(d time.Duration) {
	until := s.now.Add(d)
	for steps := 0; !s.next.IsZero() && !s.next.After(until); steps++ {
		if steps > 10_000 {
			s.fatalf("the core asks for a step at %s for ever", s.at(s.next))
		}
		if s.next.After(s.now) {
			s.now = s.next
		}
		s.step(Tick{})
	}
	s.now = until
	before := s.out.Len()
	if s.step(Tick{}); s.out.Len() > before {
		s.fatalf("the core did what it had not asked to be stepped for:\n%s", s.out.Bytes()[before:])
	}
}

// near answers the Seek that is out, unless another round is named.
func (s *scenario) near(words []string, opt map[string]string) {
	c := Candidates{Hurry: opt["hurry"] != ""}
	if s.seek != nil {
		c.Round = s.seek.Round
	}
	if opt["round"] != "" {
		c.Round = int64(s.number(opt["round"]))
	}
	for _, w := range words {
		order, list, ok := strings.Cut(w, ":")
		if !ok {
			continue
		}
		if opt["trip"] != "" {
			trip := time.Duration(s.number(opt["trip"])) * time.Second
			c.Trips = append(c.Trips, Trip{Order: dispatch.OrderID(order), Duration: trip})
		}
		for pair := range strings.SplitSeq(list, ",") {
			driver, seconds, _ := strings.Cut(pair, "=")
			seconds, wait, waits := strings.Cut(seconds, "/")
			cand := Candidate{
				Order: dispatch.OrderID(order), Driver: dispatch.DriverID(driver),
				Pickup: time.Duration(s.number(seconds)) * time.Second, Source: "test",
			}
			if waits {
				cand.Wait = time.Duration(s.number(wait)) * time.Second
			}
			c.Pairs = append(c.Pairs, cand)
		}
	}
	s.step(c)
}

func (s *scenario) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.fatalf("%v", err)
	}
	return n
}

// recover drops the core, as a crash would, and starts a new one from the journal.
func (s *scenario) recover() {
	r, err := s.journal.Recover(s.t.Context(), "sf")
	if err != nil {
		s.fatalf("%v", err)
	}
	s.core, s.seek = NewCore("sf", s.policy, r), nil
	s.step(Tick{})
}

// every brings an order o1 into each state, with driver d1 at work from its assignment and idle d2, and does
// a command to it. What the command did is told in one line a state.
func (s *scenario) every(words []string) {
	for _, state := range dispatch.States() {
		fresh := newScenario(s.t)
		fresh.line = s.line
		for _, command := range reach(state) {
			fresh.run(strings.Fields(command))
		}
		if o := fresh.journal.orders["o1"]; o.State != state {
			fresh.fatalf("o1 was to be %s and is %s:\n%s", state, o.State, fresh.out.String())
		}
		fresh.out.Reset()
		fresh.run(words)
		lines := strings.Split(strings.TrimSpace(fresh.out.String()), "\n")
		told := lines[:0]
		for _, l := range lines {
			if strings.HasPrefix(l, "event") || strings.HasPrefix(l, "reply") || strings.HasPrefix(l, "offer") {
				told = append(told, l)
			}
		}
		fmt.Fprintf(&s.out, "%s\n  %s\n", state, strings.Join(told, "\n  "))
	}
}

// reach gives the commands after which o1 is in a state.
func reach(state dispatch.State) []string {
	begin := []string{"online d1", "online d2"}
	assigned := slices.Concat(begin, []string{"create o1 kind=delivery stops=3", "near o1:d1=60", "accept f1"})
	pickup := slices.Concat(assigned, []string{"advance o1 arrived_at_pickup"})
	stop := slices.Concat(pickup, []string{"advance o1 en_route_to_stop"})
	arrived := slices.Concat(stop, []string{"advance o1 arrived_at_stop"})
	leaving := slices.Concat(arrived, []string{"advance o1 en_route_to_dropoff"})
	dropoff := slices.Concat(leaving, []string{"advance o1 arrived_at_dropoff"})
	switch state {
	case dispatch.StateScheduled:
		return append(begin, "create o1 pickup_at=1h")
	case dispatch.StateSearching:
		return append(begin, "create o1")
	case dispatch.StateOffered:
		return append(begin, "create o1", "near o1:d1=60")
	case dispatch.StateEnRouteToPickup:
		return assigned
	case dispatch.StateArrivedAtPickup:
		return pickup
	case dispatch.StateEnRouteToStop:
		return stop
	case dispatch.StateArrivedAtStop:
		return arrived
	case dispatch.StateEnRouteToDropoff:
		return leaving
	case dispatch.StateArrivedAtDropoff:
		return dropoff
	case dispatch.StateCompleted:
		return append(dropoff, "advance o1 completed")
	case dispatch.StateReturning:
		return append(dropoff, "advance o1 returning")
	case dispatch.StateReturned:
		return append(dropoff, "advance o1 returning", "advance o1 returned")
	case dispatch.StateCancelled:
		return append(begin, "create o1", "cancel o1")
	case dispatch.StateNoDriver:
		return append(begin, "create o1", "wait 300s")
	}
	return nil
}

// do steps the core with one command, with what its asker would have read from the journal.
func (s *scenario) do(op string, args []string, opt map[string]string) {
	cmd := s.command(op, args, opt)
	if id := opt["key"]; id != "" {
		cmd.Key = dispatch.Key{ID: id, Digest: sha256.Sum256([]byte(op + strings.Join(args, " ")))}
	}
	if m := opt["markets"]; m != "" {
		cmd.By.Markets = []dispatch.MarketID{dispatch.MarketID(m)}
	}
	known := s.journal.known(&cmd)
	if known.Claim != nil {
		known.Claim.Held = dispatch.MarketID(opt["held"])
		if v := opt["elsewhere"]; v != "" { // its last duty event was in another market, of that version
			known.Claim.Version = int64(s.number(v))
			s.journal.duties[cmd.Driver] = dispatch.Duty{Driver: cmd.Driver, Market: "nyc", Version: known.Claim.Version}
		}
	}
	if p := opt["pickup"]; p != "" {
		known.Pickup = s.duration(p)
	}
	s.step(Do{Command: cmd, Known: known})
}

// command reads the command of one op. by= names the asker's role where several may ask, sub= its subject.
func (s *scenario) command(op string, args []string, opt map[string]string) dispatch.Command {
	c := dispatch.Command{Op: dispatch.Op("order." + op), Reason: opt["reason"], By: s.asker(op, args, opt)}
	switch op {
	case "create":
		c.Order, c.New = dispatch.OrderID(args[0]), s.newOrder(opt)
	case "online", "offline":
		c.Op, c.Driver = dispatch.OpDuty, dispatch.DriverID(args[0])
		c.Duty = &dispatch.DutyRequest{Online: op == "online", VehicleClass: dispatch.DefaultVehicleClass, Capacity: 1}
		if class := opt["class"]; class != "" {
			c.Duty.VehicleClass = class
		}
		if capacity := opt["capacity"]; capacity != "" {
			c.Duty.Capacity = s.number(capacity)
		}
		if tags := opt["tags"]; tags != "" {
			c.Duty.Tags = strings.Split(tags, ",")
		}
	case "accept", "decline":
		c.Op = dispatch.Op("offer." + op)
		if c.Offer = s.byName[args[0]]; c.Offer == "" {
			c.Offer = dispatch.OfferID(args[0])
		}
	case "advance":
		c.Op, c.Order, c.To = dispatch.OpAdvance, dispatch.OrderID(args[0]), dispatch.State(args[1])
	case "assign":
		c.Order, c.Driver = dispatch.OrderID(args[0]), dispatch.DriverID(args[1])
	case "priority":
		c.Order, c.Priority = dispatch.OrderID(args[0]), s.number(args[1])
	case "cancel", "unassign", "search":
		c.Order, c.Driver = dispatch.OrderID(args[0]), dispatch.DriverID(opt["driver"]) // the one the engine saw not come
	default:
		s.fatalf("unknown command %q", op)
	}
	return c
}

// asker is who does a command: the order's rider cancels, its driver (for an answer, the offer's) advances,
// dispatcher x does the rest, unless by= and sub= say otherwise.
func (s *scenario) asker(op string, args []string, opt map[string]string) dispatch.Actor {
	role := map[string]dispatch.Role{
		"create": dispatch.RoleRider, "cancel": dispatch.RoleRider, "online": dispatch.RoleDriver,
		"offline": dispatch.RoleDriver, "accept": dispatch.RoleDriver, "decline": dispatch.RoleDriver,
		"advance": dispatch.RoleDriver,
	}[op]
	if opt["by"] != "" {
		role = dispatch.Role(opt["by"])
	}
	sub := "x"
	switch {
	case opt["sub"] != "":
		sub = opt["sub"]
	case role == dispatch.RoleEngine:
		sub = ""
	case op == "online" || op == "offline":
		sub = args[0]
	case op == "accept" || op == "decline":
		sub = string(s.journal.offers[s.byName[args[0]]].Driver)
	case role == dispatch.RoleDriver:
		if sub = string(s.journal.orders[dispatch.OrderID(args[0])].Driver); sub == "" {
			sub = "d1"
		}
	case role == dispatch.RoleRider:
		sub = "r1"
	case role == "" || role == dispatch.RoleDispatcher:
		role = dispatch.RoleDispatcher
	}
	return dispatch.Actor{Role: role, Sub: sub}
}

func (s *scenario) newOrder(opt map[string]string) *dispatch.NewOrder {
	n := &dispatch.NewOrder{Kind: dispatch.KindRide, VehicleClass: dispatch.DefaultVehicleClass, Rider: "r1"}
	if opt["kind"] != "" {
		n.Kind = dispatch.Kind(opt["kind"])
	}
	if opt["class"] != "" {
		n.VehicleClass = opt["class"]
	}
	if opt["rider"] != "" {
		n.Rider = dispatch.RiderID(opt["rider"])
	}
	if opt["pickup_at"] != "" {
		n.PickupAt = s.now.Add(s.duration(opt["pickup_at"]))
	}
	stops := dispatch.MinStops
	if opt["stops"] != "" {
		stops = s.number(opt["stops"])
	}
	n.Stops = newStops(stops)
	return n
}

// newStops gives n stops from the pickup to the drop-off.
func newStops(n int) []dispatch.Stop {
	stops := make([]dispatch.Stop, n)
	for i := range stops {
		stops[i] = dispatch.Stop{Type: dispatch.StopBetween, LatLng: geo.LatLng{Lat: 37.7 + float64(i)/100, Lng: -122.4}}
	}
	stops[0].Type, stops[n-1].Type = dispatch.StopPickup, dispatch.StopDropoff
	return stops
}
