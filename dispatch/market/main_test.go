package market

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fixes the seed of the property tests unless another is asked for (-rapid.seed=0: a random one),
// and looks for goroutines left behind.
func TestMain(m *testing.M) {
	flag.Parse()
	seeded := false
	flag.Visit(func(f *flag.Flag) { seeded = seeded || f.Name == "rapid.seed" })
	if !seeded {
		if err := flag.Set("rapid.seed", "20080531"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
