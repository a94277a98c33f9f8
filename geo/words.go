package geo

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// A word is one driver in a cell: the index of its handle in the upper half, and below where it stands in the tile's
// grid, 16 bits each way (tile.word). A search that goes through a cell reads words, 8 to a cache line, and the records only
// of drivers that may count.
//
// A driver's word changes with each of its fixes, without the cell's lock; so who moves a word (under the lock) takes it
// out by one atomic operation and leaves noWord, and who changes it does so only where the word is still its own.
const noWord = 1<<64 - 1

func wordIndex(w uint64) uint32 { return uint32(w >> 32) }

// Cells have their words in pieces of 2^class words, from class minClass on. A cell takes a piece twice as
// large when it is full, and half as large when it fills a quarter; it keeps the least when it is empty.
const (
	noPiece    = 1<<32 - 1
	minClass   = 2
	chunkClass = 14
	chunkWords = 1 << chunkClass
)

// arena is the memory of the words. Pieces are used again, chunks never given back.
type arena struct {
	// chunks only grows; its elements stay. A piece that is larger than a chunk takes several, one behind the other.
	// Replaced under mu.
	chunks atomic.Pointer[[]*[chunkWords]atomic.Uint64]

	mu sync.Mutex
	// free are the pieces of each class to be used again, rest the part of the last chunk that was never used.
	free       [32][]uint32
	rest, left uint32
}

func newArena() *arena {
	a := &arena{}
	a.chunks.Store(&[]*[chunkWords]atomic.Uint64{})
	return a
}

func (a *arena) word(at uint32) *atomic.Uint64 {
	return &(*a.chunks.Load())[at/chunkWords][at%chunkWords]
}

// get gives a piece of 2^class words.
func (a *arena) get(class int) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.free[class]); n > 0 {
		at := a.free[class][n-1]
		a.free[class] = a.free[class][:n-1]
		return at
	}
	size := uint32(1) << class
	if size > a.left {
		a.growLocked(size)
	}
	at := a.rest
	a.rest += size
	a.left -= size
	return at
}

// growLocked makes room for a piece of so many words, and gives what is left to those who need less.
func (a *arena) growLocked(size uint32) {
	for a.left > 0 {
		class := min(bits.TrailingZeros32(a.rest|1<<chunkClass), bits.Len32(a.left)-1)
		a.free[class] = append(a.free[class], a.rest)
		a.rest += 1 << class
		a.left -= 1 << class
	}
	chunks := slices.Clone(*a.chunks.Load())
	a.rest = uint32(len(chunks)) * chunkWords
	for ; a.left < size; a.left += chunkWords {
		chunks = append(chunks, new([chunkWords]atomic.Uint64))
	}
	a.chunks.Store(&chunks)
}

func (a *arena) put(at uint32, class int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free[class] = append(a.free[class], at)
}
