package gateway

import (
	"math"
	"syscall"
	"time"
)

// filesKept is how many of the files that the process may open are not for sockets: the store's and the bus's,
// requests, and connections that are only being refused. A process without a file left fails its commits.
const filesKept = 512

// fullRetry is what a client is told to wait when there is no room for its socket: another has to go first.
const fullRetry = 5 * time.Second

// socketLimit is how many sockets the system lets the process have.
func socketLimit() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur > math.MaxInt32 {
		return math.MaxInt32 // no limit that could be told
	}
	return max(int(files.Cur)-filesKept, int(files.Cur)/2)
}
