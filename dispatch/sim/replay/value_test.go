package replay

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

// What a core is given has to come back from a log, all of it: a member that gob leaves out would be a decision that
// cannot be replayed.
func TestEntry(t *testing.T) {
	t.Run("no_member_of_what_a_core_is_given_is_left_out", func(t *testing.T) {
		for _, typ := range []reflect.Type{
			reflect.TypeFor[market.Do](), reflect.TypeFor[market.Candidates](), reflect.TypeFor[market.Reload](),
			reflect.TypeFor[market.Tick](), reflect.TypeFor[dispatch.Policy](), reflect.TypeFor[dispatch.Recovery](),
		} {
			for _, bad := range hidden(typ, typ.String(), false, map[reflect.Type]bool{}) {
				t.Errorf("%s cannot be recorded", bad)
			}
		}
	})
	t.Run("every_member_of_the_effects_is_compared", func(t *testing.T) {
		typ := reflect.TypeFor[market.Effects]()
		for _, bad := range hidden(typ, typ.String(), true, map[reflect.Type]bool{}) {
			t.Errorf("%s cannot be compared", bad)
		}
	})
	t.Run("what_was_written_is_read", func(t *testing.T) {
		full := entries()
		none := []entry{
			{Began: &began{}},
			{Step: &step{Now: t0, Do: &market.Do{Known: market.Known{Claim: &dispatch.Claim{}}}}},
			{Step: &step{Now: t0, Do: &market.Do{Command: dispatch.Command{Duty: &dispatch.DutyRequest{}, New: &dispatch.NewOrder{}}}}},
			{Step: &step{Candidates: &market.Candidates{}}}, {Step: &step{Reload: &market.Reload{}}}, {Step: &step{}},
		}
		want := append(full, none...)
		path := filepath.Join(t.TempDir(), "log")
		f, err := newFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range append([]entry{{Start: &start{Market: "sf", At: t0}}}, want...) {
			if err := f.put(&e); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.flush(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Open(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			got, err := l.next()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[i], *got); diff != "" {
				t.Errorf("entry %d (-written +read):\n%s", i, diff)
			}
		}
	})
}

// entries are a beginning and a step of each kind with no member zero.
func entries() []entry {
	b, do, c, r := began{}, market.Do{}, market.Candidates{}, market.Reload{}
	for _, v := range []any{&b, &do, &c, &r} {
		n := 0
		fill(reflect.ValueOf(v).Elem(), &n)
	}
	return []entry{
		{Began: &b}, {Step: &step{Now: t0, Do: &do}}, {Step: &step{Now: t0, Candidates: &c}},
		{Step: &step{Now: t0, Reload: &r, Effects: []Sum{{"Events", 1 << 63}}}},
	}
}

// hidden names the members of a type that an encoder does not see or cannot write.
func hidden(t reflect.Type, path string, errorsToo bool, seen map[reflect.Type]bool) []string {
	if t == reflect.TypeFor[time.Time]() || seen[t] || errorsToo && t == reflect.TypeFor[error]() {
		return nil
	}
	seen[t] = true
	var bad []string
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() {
				bad = append(bad, path+"."+f.Name)
			}
			bad = append(bad, hidden(f.Type, path+"."+f.Name, errorsToo, seen)...)
		}
	case reflect.Slice, reflect.Array, reflect.Pointer:
		return hidden(t.Elem(), path, errorsToo, seen)
	case reflect.Map:
		return append(hidden(t.Key(), path, errorsToo, seen), hidden(t.Elem(), path, errorsToo, seen)...)
	case reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Uintptr, reflect.Complex64, reflect.Complex128:
		return []string{path}
	}
	return bad
}

// fill gives each member a value of its own that is not zero.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n % 256))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(*n) + 0.25)
	case reflect.String:
		v.SetString(fmt.Sprint("s", *n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Interface:
		v.Set(reflect.ValueOf(fmt.Errorf("e%d", *n)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 3 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, n)
			fill(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(t0.Add(time.Duration(*n) * time.Microsecond)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	}
}

func filled() *market.Effects {
	var out market.Effects
	n := 0
	fill(reflect.ValueOf(&out).Elem(), &n)
	return &out
}

func mustSum(t *testing.T, out *market.Effects) []Sum {
	t.Helper()
	sums, err := newSummer().sums(out)
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

func TestSummer(t *testing.T) {
	before := mustSum(t, filled())
	if len(before) != reflect.TypeFor[market.Effects]().NumField() {
		t.Errorf("%d digests: %+v", len(before), before)
	}
	t.Run("the_same_effects_have_the_same_digests", func(t *testing.T) {
		for range 20 { // maps have another order each time
			if diff := cmp.Diff(before, mustSum(t, filled())); diff != "" {
				t.Fatal(diff)
			}
		}
	})
	t.Run("nothing_has_no_digest", func(t *testing.T) {
		if sums := mustSum(t, &market.Effects{Events: []dispatch.Event{}, Supply: []market.Supply{}}); len(sums) > 0 {
			t.Errorf("%+v", sums)
		}
	})
	t.Run("whatever_changes_in_a_field_changes_its_digest_alone", func(t *testing.T) {
		leaves := 0
		var walk func(at func(*market.Effects) reflect.Value, path, field string)
		walk = func(at func(*market.Effects) reflect.Value, path, field string) {
			v := at(filled())
			sub := func(name string, next func(reflect.Value) reflect.Value) {
				top := field
				if top == "" {
					top = name
				}
				walk(func(e *market.Effects) reflect.Value { return next(at(e)) }, path+"."+name, top)
			}
			switch {
			case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
				for i := range v.NumField() {
					sub(v.Type().Field(i).Name, func(v reflect.Value) reflect.Value { return v.Field(i) })
				}
			case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
				sub(fmt.Sprint(v.Len()-1), func(v reflect.Value) reflect.Value { return v.Index(v.Len() - 1) })
			case v.Kind() == reflect.Pointer:
				sub("*", reflect.Value.Elem)
			default:
				leaves++
				out := filled()
				n := 1_000_000 + leaves
				if leaf := at(out); leaf.Kind() == reflect.Bool {
					leaf.SetBool(false)
				} else {
					fill(leaf, &n)
				}
				if got := differ(before, mustSum(t, out)); !cmp.Equal(got, []string{field}) {
					t.Errorf("%s changed and %v differs", path, got)
				}
			}
		}
		walk(func(e *market.Effects) reflect.Value { return reflect.ValueOf(e).Elem() }, "Effects", "")
		if leaves < 100 {
			t.Errorf("only %d values were changed", leaves)
		}
	})
}
