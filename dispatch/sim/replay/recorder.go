package replay

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/market"
)

const (
	// Suffix ends the name of a log's file.
	Suffix = ".hexlog"
	// queueLen is how many steps may wait to be written: some seconds of a disk that stalls, at a thousand steps a
	// second, and a few MB. When it is full the log is ended.
	queueLen = 4096
	// maxLog is the size at which a log is ended, so that a record left on by mistake does not fill the disk.
	maxLog = 8 << 30
	// closeFor is how long (wall) Close waits for what is still to be written.
	closeFor = 2 * time.Second
)

// Config is what a Recorder is made of; all fields are required.
type Config struct {
	// Dir is where logs are written; it has to be there.
	Dir    string
	Market dispatch.MarketID
	// Program is the version of this one.
	Program string
	Wall    dispatch.Clock
	Log     *slog.Logger
	// Written is told what was written, from the recorder's goroutine; Broken that the log was ended before its
	// time.
	Written func(steps, bytes int)
	Broken  func()
}

// Recorder writes one log: a term of a market's leadership. A term without a recovery has no file.
type Recorder struct {
	cfg   Config
	queue chan item     // capacity queueLen
	done  chan struct{} // closed when the goroutine has ended
	close sync.Once
	// over: nothing more is taken; set by whoever finds a reason.
	over atomic.Bool
	// behind: over because the queue was full.
	behind atomic.Bool
}

var _ market.Recorder = (*Recorder)(nil)

// item is a core that began, or a step.
type item struct {
	began *began
	now   time.Time
	in    market.Input
	out   market.Effects
}

// NewRecorder starts a recorder; Close ends it.
func NewRecorder(cfg Config) *Recorder {
	r := &Recorder{cfg: cfg, queue: make(chan item, queueLen), done: make(chan struct{})}
	go r.run()
	return r
}

// Began implements market.Recorder.
func (r *Recorder) Began(epoch int64, p dispatch.Policy, recovery dispatch.Recovery) {
	r.take(item{began: &began{epoch, p, recovery}})
}

// Stepped implements market.Recorder.
func (r *Recorder) Stepped(now time.Time, in market.Input, out market.Effects) {
	r.take(item{now: now, in: in, out: out})
}

// take queues an item, or ends the log when it cannot be written as fast as things happen.
func (r *Recorder) take(it item) {
	if r.over.Load() {
		return
	}
	select {
	case r.queue <- it:
	default:
		r.behind.Store(true)
		r.over.Store(true)
	}
}

// Close ends the log; nothing may be recorded any more. It waits until all is written, but not for a disk that
// hangs.
func (r *Recorder) Close() {
	r.close.Do(func() { close(r.queue) })
	late, free := r.cfg.Wall.After(r.cfg.Wall.Now().Add(closeFor))
	defer free()
	select {
	case <-r.done:
	case <-late:
		r.cfg.Log.Warn("the end of a log is not written: its disk does not answer", "market", r.cfg.Market)
	}
}

// errBehind is why a log ends that cannot be written as fast as things happen.
var errBehind = errors.New("steps come faster than they can be written")

// run is the goroutine.
func (r *Recorder) run() {
	defer close(r.done)
	var f *file
	err := r.write(&f)
	r.over.Store(true)
	if err != nil {
		r.cfg.Log.Error("the recording of a market has ended: its log is broken", "market", r.cfg.Market, "error", err)
		r.cfg.Broken()
	}
	if f == nil {
		return
	}
	if err != nil {
		err = errors.Join(f.put(&entry{End: &end{Broken: err.Error()}}), f.flush(), f.Close())
	} else {
		err = f.Close()
	}
	if err != nil {
		r.cfg.Log.Warn("the end of a log is not written", "market", r.cfg.Market, "error", err)
	}
}

// write writes what is queued until the end; into is the file once it is open. It flushes whenever nothing waits.
func (r *Recorder) write(into **file) error {
	sums := newSummer()
	steps, bytes := 0, int64(0)
	for it := range r.queue {
		if *into == nil {
			f, err := r.create(it.began)
			if err != nil {
				return err
			}
			*into = f
		}
		f := *into
		if err := f.item(&it, sums); err != nil {
			return err
		}
		steps++
		if len(r.queue) > 0 {
			continue
		}
		if r.behind.Load() {
			return errBehind
		}
		if err := f.flush(); err != nil {
			return err
		}
		if f.size > maxLog {
			return fmt.Errorf("it has reached %d bytes", f.size)
		}
		r.cfg.Written(steps, int(f.size-bytes))
		steps, bytes = 0, f.size
	}
	if *into == nil {
		return nil
	}
	return errors.Join((*into).put(&entry{End: &end{}}), (*into).flush())
}

// create makes the file: a log never overwrites another.
func (r *Recorder) create(first *began) (*file, error) {
	if first == nil {
		return nil, errors.New("a step came before the state it was taken in")
	}
	at := r.cfg.Wall.Now().UTC()
	name := fmt.Sprintf("%s.%06d.%s%s", r.cfg.Market, first.Epoch, at.Format("20060102T150405.000Z"), Suffix)
	f, err := newFile(filepath.Join(r.cfg.Dir, name))
	if err != nil {
		return nil, err
	}
	s := &start{Market: r.cfg.Market, Epoch: first.Epoch, Program: r.cfg.Program, At: at}
	if err := f.put(&entry{Start: s}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// file is a log that is written. Owned by one goroutine.
type file struct {
	*os.File
	out  *bufio.Writer
	gob  *gob.Encoder
	next bytes.Buffer // the payload of the record under way
	n    uint64       // records written
	size int64        // bytes written
}

func newFile(path string) (*file, error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	f := &file{File: out, out: bufio.NewWriterSize(out, 1<<18), size: int64(len(magic))}
	f.gob = gob.NewEncoder(&f.next)
	if _, err := f.out.WriteString(magic); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// item writes a beginning or a step.
func (f *file) item(it *item, sums *summer) error {
	if it.began != nil {
		return f.put(&entry{Began: it.began})
	}
	s, err := stepOf(it.now, it.in)
	if err != nil {
		return err
	}
	if s.Effects, err = sums.sums(&it.out); err != nil {
		return err
	}
	return f.put(&entry{Step: s})
}

// put writes one record.
func (f *file) put(e *entry) error {
	f.next.Reset()
	if err := f.gob.Encode(e); err != nil {
		return fmt.Errorf("encode record %d: %w", f.n, err)
	}
	if err := writeFrame(f.out, f.n, f.next.Bytes()); err != nil {
		return err
	}
	f.n++
	f.size += int64(headerSize + f.next.Len())
	return nil
}

func (f *file) flush() error { return f.out.Flush() }
