package tune

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hexfleet/hexfleet/dispatch"
)

// Key is a key of a policy, with the values that it is tried with.
type Key struct {
	// Name is a key as docs/policy.md has it; a slash goes into an object: cost/age_weight.
	Name string
	// Values are as a markets file has them; a text may stand without its quotes.
	Values []string
}

// ParseKey reads NAME=VALUE,VALUE...
func ParseKey(text string) (Key, error) {
	name, list, ok := strings.Cut(text, "=")
	key := Key{Name: strings.TrimSpace(name)}
	for _, v := range strings.Split(list, ",") {
		if v = strings.TrimSpace(v); v != "" {
			key.Values = append(key.Values, v)
		}
	}
	if !ok || key.Name == "" || len(key.Values) == 0 {
		return Key{}, fmt.Errorf("%q is not KEY=VALUE,VALUE..., such as candidates=8,32", text)
	}
	return key, nil
}

// Change is a key of a policy that is not as in the base.
type Change struct{ Key, Value string }

// Space are the policies that differ from a base in the values of some keys. Immutable.
type Space struct {
	base []byte
	keys []Key
}

// NewSpace takes the base as a policy of a markets file, and the keys with the values to try. Values with which the policy
// says what it says with one before, or without, are dropped. An error is that of the policy file: it names key and limit.
func NewSpace(base []byte, keys []Key) (*Space, error) {
	s := &Space{base: base}
	was, err := dispatch.ParsePolicy(base)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if slices.ContainsFunc(s.keys, func(other Key) bool { return other.Name == k.Name }) {
			return nil, fmt.Errorf("/%s: stands there twice", k.Name)
		}
		seen := map[string]bool{was.Version(): true}
		distinct := Key{Name: k.Name, Values: []string{""}}
		for _, v := range k.Values {
			text, err := set(base, strings.Split(k.Name, "/"), v)
			if err != nil {
				return nil, fmt.Errorf("/%s: %w", k.Name, err)
			}
			p, err := dispatch.ParsePolicy(text)
			if err != nil {
				return nil, err
			}
			if !seen[p.Version()] {
				seen[p.Version()] = true
				distinct.Values = append(distinct.Values, v)
			}
		}
		s.keys = append(s.keys, distinct)
	}
	return s, nil
}

// Sizes are how many values each key has for a Search, the base's among them.
func (s *Space) Sizes() []int {
	var sizes []int
	for _, k := range s.keys {
		sizes = append(sizes, len(k.Values))
	}
	return sizes
}

// Changes are the keys in which a point differs from the base, in the order of the keys.
func (s *Space) Changes(p Point) []Change {
	var changes []Change
	for i, v := range p {
		if v > 0 {
			changes = append(changes, Change{s.keys[i].Name, s.keys[i].Values[v]})
		}
	}
	return changes
}

// Policy is a point's policy, and its text.
func (s *Space) Policy(p Point) (dispatch.Policy, []byte, error) {
	text := s.base
	for _, c := range s.Changes(p) {
		var err error
		if text, err = set(text, strings.Split(c.Key, "/"), c.Value); err != nil {
			return dispatch.Policy{}, nil, fmt.Errorf("/%s: %w", c.Key, err)
		}
	}
	policy, err := dispatch.ParsePolicy(text)
	return policy, text, err
}

// members are those of an object; of nothing, and of null, there are none.
func members(object []byte) (map[string]json.RawMessage, error) {
	m := map[string]json.RawMessage{}
	if len(object) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(object, &m); err != nil {
		return nil, errors.New("goes into what is no object")
	}
	if m == nil {
		m = map[string]json.RawMessage{}
	}
	return m, nil
}

// set gives an object with the value at a path.
func set(object []byte, path []string, value string) ([]byte, error) {
	if len(path) == 0 {
		if json.Valid([]byte(value)) {
			return []byte(value), nil
		}
		return json.Marshal(value)
	}
	m, err := members(object)
	if err != nil {
		return nil, err
	}
	if m[path[0]], err = set(m[path[0]], path[1:], value); err != nil {
		return nil, err
	}
	return json.Marshal(m)
}

// Trim leaves out of a policy what says nothing: the keys without which it means the same, such as those that are as by
// default. What is left is in the order of the names.
func Trim(policy []byte) ([]byte, error) {
	p, err := dispatch.ParsePolicy(policy)
	if err != nil {
		return nil, err
	}
	want := p.Version()
	return trim(policy, func(text []byte) bool {
		p, err := dispatch.ParsePolicy(text)
		return err == nil && p.Version() == want
	})
}

// trim leaves out of an object whatever may be; same tells whether the whole still means the same with an object in its
// place.
func trim(object []byte, same func([]byte) bool) ([]byte, error) {
	m, err := members(object)
	if err != nil {
		return nil, err
	}
	whole := func() []byte {
		text, _ := json.Marshal(m) // members of an object that was read
		return text
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		value := m[name]
		delete(m, name)
		if same(whole()) {
			continue
		}
		m[name] = value
		if value[0] != '{' {
			continue
		}
		m[name], err = trim(value, func(text []byte) bool {
			m[name] = text
			return same(whole())
		})
		if err != nil {
			return nil, err
		}
	}
	return whole(), nil
}
