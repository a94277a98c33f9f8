package dispatch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hexfleet/hexfleet/geo"
)

// A policy is written as a JSON object of the keys below, docs/policy.md says what each does. It is read strictly: an
// unknown key, a number out of bounds and one of another type are errors, null is the default.

// policyKey is one key of a policy: a number that stands for something of it.
type policyKey struct {
	name     string
	min, max float64
	// whole: a fraction is refused.
	whole bool
	get   func() float64
	set   func(float64)
}

// span is a key for a duration in a unit, written in whole ones.
func span(name string, d *time.Duration, unit time.Duration, lo, hi float64) policyKey {
	return policyKey{name, lo, hi, true,
		func() float64 { return float64(*d) / float64(unit) },
		func(v float64) { *d = time.Duration(v) * unit }}
}

func count(name string, n *int, lo, hi float64) policyKey {
	return policyKey{name, lo, hi, true, func() float64 { return float64(*n) }, func(v float64) { *n = int(v) }}
}

func weight(name string, w *float64, hi float64) policyKey {
	return policyKey{name, 0, hi, false, func() float64 { return *w }, func(v float64) { *w = v }}
}

// day bounds every span: what one shift can wait for.
const day = 86_400

// numbers are the keys of a policy that are numbers.
func (p *Policy) numbers() []policyKey {
	const sec = time.Second
	return []policyKey{
		// A round shorter than 10 ms costs more than it gains.
		span("window_ms", &p.Window, time.Millisecond, 10, 60_000),
		weight("rich_ratio", &p.RichRatio, 1000),
		weight("scarce_ratio", &p.ScarceRatio, 1000),
		span("search_timeout_s", &p.SearchTimeout, sec, 1, day),
		span("freshness_s", &p.Freshness, sec, 1, day),
		count("candidates", &p.Candidates, 1, 512),
		span("no_show_s", &p.NoShow, sec, 0, day),
		span("lead_s", &p.Lead, sec, 0, day),
		count("offers_per_minute", &p.Offers.PerMinute, 0, 600),
		span("decline_bar_s", &p.Offers.DeclineBar, sec, 0, day),
		span("expiry_bar_s", &p.Offers.ExpiryBar, sec, 0, day),
		span("chain_s", &p.Chain.Within, sec, 0, 3600),
		span("chain_margin_s", &p.Chain.Margin, sec, 0, 3600),
		span("nudge_s", &p.Redispatch.Nudge, sec, 0, day),
		span("lost_s", &p.Redispatch.Lost, sec, 0, day),
		span("stall_s", &p.Redispatch.Stall, sec, 0, day),
		{"retreat_m", 0, 100_000, true, func() float64 { return float64(p.Redispatch.Retreat) },
			func(v float64) { p.Redispatch.Retreat = geo.Meters(v) }},
		span("standby_gain_s", &p.StandbyGain, sec, 0, day),
	}
}

// numbers are the keys of terms that are numbers.
func (t *Terms) numbers() []policyKey {
	const sec = time.Second
	return []policyKey{
		span("offer_ttl_s", &t.OfferTTL, sec, 1, 600),
		span("max_pickup_s", &t.MaxPickup, sec, 1, day),
		span("reach_s", &t.Reach, sec, 0, day),
		weight("reach_growth", &t.ReachGrowth, 1000),
		count("wave_size", &t.WaveSize, 1, 512),
		span("wave_s", &t.Wave, sec, 1, 600),
	}
}

// MaxWorth bounds what one term other than the pickup time adds to a cost or takes off, so that their sums stay far
// within what the solver takes.
const MaxWorth = time.Hour

// maxPreferTags is how many tags may have a worth.
const maxPreferTags = 16

// numbers are the keys of cost rules that are numbers.
func (c *CostRules) numbers() []policyKey {
	return []policyKey{
		weight("age_weight", &c.Age, 100),
		weight("idle_weight", &c.Idle, 100),
		span("idle_max_s", &c.IdleMax, time.Second, 0, MaxWorth.Seconds()),
		weight("chain_weight", &c.Chain, 10),
		weight("destination_weight", &c.Destination, 10),
		weight("decline_weight", &c.Decline, 10),
	}
}

// ParsePolicy reads a policy as written in a markets file; of nothing, and of null, it gives the default. An error
// begins with the pointer of the key, within the policy, and names the limit.
func ParsePolicy(text []byte) (Policy, error) {
	p := DefaultPolicy()
	f, err := members(text)
	if err != nil {
		return Policy{}, err
	}
	for _, read := range []func() error{
		func() error { return f.numbers(p.numbers()) },
		func() error { return f.terms(&p.Terms) },
		func() error { return f.tag("contracted_tag", &p.ContractedTag) },
		func() error { return f.shadow(&p) },
		func() error { return f.overrides(&p) },
		f.done,
	} {
		if err := read(); err != nil {
			return Policy{}, err
		}
	}
	return p, nil
}

// policyFile are the members of an object that are still to be read.
type policyFile map[string]jsontext.Value

// members reads an object's; of nothing, and of null, there are none.
func members(text []byte) (policyFile, error) {
	v := jsontext.Value(text)
	if len(v) == 0 || v.Kind() == 'n' {
		return policyFile{}, nil
	}
	if v.Kind() != '{' {
		return nil, errors.New(": must be an object")
	}
	var f policyFile
	if err := json.Unmarshal(v, &f); err != nil {
		return nil, fmt.Errorf(": %w", plain(err))
	}
	maps.DeleteFunc(f, func(_ string, v jsontext.Value) bool { return v.Kind() == 'n' })
	return f, nil
}

// take gives a member and strikes it off.
func (f policyFile) take(name string) (jsontext.Value, bool) {
	v, ok := f[name]
	delete(f, name)
	return v, ok
}

// done finds what nobody has read: the first unknown key by name.
func (f policyFile) done() error {
	if len(f) == 0 {
		return nil
	}
	name := slices.Min(slices.Collect(maps.Keys(f)))
	return fmt.Errorf("/%s: unknown key%s", name, belongs(name))
}

// belongs says where a key that is not known somewhere would be.
func belongs(name string) string {
	var p Policy
	among := func(keys []policyKey, others ...string) bool {
		return slices.Contains(others, name) || slices.ContainsFunc(keys, func(k policyKey) bool { return k.name == name })
	}
	switch {
	case among(p.Cost.numbers(), "prefer_tags_s"):
		return " here: it stands within cost"
	case among(p.Terms.numbers(), "mode", "cost"):
		return " here: it stands beside cost"
	case among(p.numbers(), "contracted_tag", "services", "vehicle_classes", "shadow"):
		return " here: it holds for the whole market"
	}
	return ""
}

func (f policyFile) numbers(keys []policyKey) error {
	for _, k := range keys {
		v, ok := f.take(k.name)
		if !ok {
			continue
		}
		n, err := k.number(v)
		if err != nil {
			return fmt.Errorf("/%s: %w", k.name, err)
		}
		k.set(n)
	}
	return nil
}

// number reads a number and checks its bounds.
func (k *policyKey) number(v jsontext.Value) (float64, error) {
	n, err := strconv.ParseFloat(string(v), 64)
	beyond := errors.Is(err, strconv.ErrRange)
	if v.Kind() != '0' || err != nil && !beyond {
		return 0, fmt.Errorf("must be a number from %s to %s", plainly(k.min), plainly(k.max))
	}
	if beyond || n < k.min || n > k.max {
		return 0, fmt.Errorf("%s is not from %s to %s", v, plainly(k.min), plainly(k.max))
	}
	if _, err := strconv.ParseInt(string(v), 10, 64); k.whole && err != nil {
		return 0, fmt.Errorf("%s is not a whole number from %s to %s", v, plainly(k.min), plainly(k.max))
	}
	return n, nil
}

// plainly writes a number without an exponent.
func plainly(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// terms reads what may differ by service and class over what holds without.
func (f policyFile) terms(t *Terms) error {
	if v, ok := f.take("mode"); ok {
		var mode Mode
		if err := json.Unmarshal(v, &mode); err != nil || !slices.Contains(Modes(), mode) {
			return fmt.Errorf("/mode: %s is not one of %v", v, Modes())
		}
		t.Mode = mode
	}
	if err := f.numbers(t.numbers()); err != nil {
		return err
	}
	v, ok := f.take("cost")
	if !ok {
		return nil
	}
	c, err := members(v)
	if err != nil {
		return fmt.Errorf("/cost%w", err)
	}
	if err := cmp.Or(c.numbers(t.Cost.numbers()), c.tags(&t.Cost), c.done()); err != nil {
		return fmt.Errorf("/cost%w", err)
	}
	return nil
}

func (f policyFile) tags(c *CostRules) error {
	v, ok := f.take("prefer_tags_s")
	if !ok {
		return nil
	}
	tags, err := members(v)
	if err != nil {
		return fmt.Errorf("/prefer_tags_s%w", err)
	}
	if len(tags) > maxPreferTags {
		return fmt.Errorf("/prefer_tags_s: %d tags, more than %d", len(tags), maxPreferTags)
	}
	c.PreferTags = nil
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		if !ValidID(tag) {
			return fmt.Errorf("/prefer_tags_s: %q is no tag", tag)
		}
		worth := TagWorth{Tag: tag}
		key := span(tag, &worth.Worth, time.Second, -MaxWorth.Seconds(), MaxWorth.Seconds())
		n, err := key.number(tags[tag])
		if err != nil {
			return fmt.Errorf("/prefer_tags_s/%s: %w", tag, err)
		}
		key.set(n)
		c.PreferTags = append(c.PreferTags, worth)
	}
	return nil
}

func (f policyFile) tag(name string, into *string) error {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	var tag string
	if err := json.Unmarshal(v, &tag); err != nil || tag != "" && !ValidID(tag) {
		return fmt.Errorf("/%s: %s is not a tag of 1 to %d characters", name, v, MaxIDLen)
	}
	*into = tag
	return nil
}

// shadow reads other terms; what they do not name is as the market's.
func (f policyFile) shadow(p *Policy) error {
	v, ok := f.take("shadow")
	if !ok {
		return nil
	}
	t := p.Terms
	if err := termsOf(v, &t); err != nil {
		return fmt.Errorf("/shadow%w", err)
	}
	p.Shadow = &t
	return nil
}

func termsOf(v jsontext.Value, t *Terms) error {
	f, err := members(v)
	if err != nil {
		return err
	}
	return cmp.Or(f.terms(t), f.done())
}

// maxClasses is how many vehicle classes a policy may name.
const maxClasses = 32

// overrides reads the terms of services and of vehicle classes: a class's are laid over a service's, and those over the
// market's.
func (f policyFile) overrides(p *Policy) error {
	services, _ := f.take("services")
	kinds, err := members(services)
	if err != nil {
		return fmt.Errorf("/services%w", err)
	}
	listed, _ := f.take("vehicle_classes")
	classes, err := members(listed)
	if err != nil {
		return fmt.Errorf("/vehicle_classes%w", err)
	}
	if len(classes) > maxClasses {
		return fmt.Errorf("/vehicle_classes: %d classes, more than %d", len(classes), maxClasses)
	}
	for kind := range kinds {
		if Kind(kind) != KindRide && Kind(kind) != KindDelivery {
			return fmt.Errorf("/services: %q is not %s or %s", kind, KindRide, KindDelivery)
		}
	}
	for _, kind := range append([]string{""}, slices.Sorted(maps.Keys(kinds))...) {
		service := p.Terms
		if kind != "" {
			if err := termsOf(kinds[kind], &service); err != nil {
				return fmt.Errorf("/services/%s%w", kind, err)
			}
			p.Overrides = append(p.Overrides, Override{Kind: Kind(kind), Terms: service})
		}
		for _, class := range slices.Sorted(maps.Keys(classes)) {
			if !ValidID(class) {
				return fmt.Errorf("/vehicle_classes: %q is no vehicle class", class)
			}
			t := service
			if err := termsOf(classes[class], &t); err != nil {
				return fmt.Errorf("/vehicle_classes/%s%w", class, err)
			}
			p.Overrides = append(p.Overrides, Override{Kind: Kind(kind), VehicleClass: class, Terms: t})
		}
	}
	return nil
}

// Version is a short digest of all that the policy says: two policies of one version behave alike, whatever was left
// to the defaults.
func (p *Policy) Version() string {
	var b strings.Builder
	writeKeys(&b, "", p.numbers())
	fmt.Fprintf(&b, "contracted_tag=%s\n", p.ContractedTag)
	p.Terms.write(&b, "")
	if p.Shadow != nil {
		p.Shadow.write(&b, "shadow/")
	}
	for i := range p.Overrides {
		v := &p.Overrides[i]
		v.Terms.write(&b, string(v.Kind)+"/"+v.VehicleClass+"/")
	}
	digest := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(digest[:6])
}

func (t *Terms) write(b *strings.Builder, prefix string) {
	fmt.Fprintf(b, "%smode=%s\n", prefix, t.Mode)
	writeKeys(b, prefix, t.numbers())
	writeKeys(b, prefix+"cost/", t.Cost.numbers())
	for _, w := range t.Cost.PreferTags {
		fmt.Fprintf(b, "%scost/prefer_tags_s/%s=%v\n", prefix, w.Tag, w.Worth)
	}
}

func writeKeys(b *strings.Builder, prefix string, keys []policyKey) {
	for _, k := range keys {
		fmt.Fprintf(b, "%s%s=%s\n", prefix, k.name, plainly(k.get()))
	}
}
