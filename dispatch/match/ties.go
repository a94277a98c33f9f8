package match

// Several assignments may cost the same, and which of them a search meets first depends on where it started. So that
// cold and warm starts, and a replay, give the same assignment, every edge costs a little more than it says: its
// tie-breaker, a hash of the keys of its order and its driver. In whole units of 1/2^units of a cost,
//
//	full(i, j) = cost(i, j) 2^units + hash(key(i), key(j)),   0 <= hash < 2^ties,   n 2^ties <= 2^units
//
// so that the tie-breakers of a whole assignment sum to less than one unit of cost and never outweigh any. All sums of
// a search stay within int64: no cost or penalty is 2^maxBits or more in full units, and a distance adds three at most.
// The prices prove the assignment optimal in full units, hence in costs.
//
// Two assignments may still be equal to the last bit, the more easily the fewer bits there are. The result then is the
// first of them in a lexicographic order (exchange.go).

// maxBits bounds costs and penalties in full units: the sum of three is within int64.
const maxBits = 61

// maxTieBits is enough for ties to be rare; more would only slow the sums.
const maxTieBits = 20

// The hash: the keys are spread by odd factors when a problem is taken up, and mixed here once for each edge (the
// finisher of MurmurHash3, without its first step).
const (
	orderFactor  = 0x9E3779B1
	driverFactor = 0x85EBCA6B
)

// scale says how many bits of a full cost lie below one unit of cost, and how many of these the hash takes.
func scale(p *Problem) (units, ties uint) {
	var most int64 = 1
	for i, row := range p.Rows {
		most = max(most, p.Penalty[i])
		if len(row) > 0 {
			most = max(most, int64(row[len(row)-1].Cost))
		}
	}
	n := bitsFor(int64(len(p.Rows)))
	room := maxBits - bitsFor(most)
	if room <= n {
		return 0, 0 // more orders than there is room to tell apart: untie does it all
	}
	ties = min(room-n, maxTieBits)
	return ties + n, ties
}

// Key is the tie key of an id: FNV-1a, 32 bits. Two ids with the same key are told apart by their places.
func Key(id string) uint32 {
	h := uint32(2166136261)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return h
}

func orderKey(p *Problem, i int) uint32 {
	if len(p.OrderKeys) > 0 {
		return p.OrderKeys[i] * orderFactor
	}
	return uint32(i) * orderFactor
}

func driverKey(p *Problem, j int32) uint32 {
	if len(p.DriverKeys) > 0 {
		return p.DriverKeys[j] * driverFactor
	}
	return uint32(j) * driverFactor
}

// full is what an edge costs with its tie-breaker.
func (s *Solver) full(order int32, e Edge) int64 {
	return int64(e.Cost)<<s.units + s.hash(s.orders[order].key, s.drivers[e.Driver].key)
}

func (s *Solver) hash(order, driver uint32) int64 {
	h := order ^ driver
	h ^= h >> 15
	h *= 0x2C1B3C6D
	h ^= h >> 13
	return int64(uint64(h) >> ((32 - s.ties) & 63))
}
