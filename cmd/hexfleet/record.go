package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hexfleet/hexfleet/dispatch"
	"github.com/hexfleet/hexfleet/dispatch/node"
	"github.com/hexfleet/hexfleet/dispatch/sim/replay"
)

// makeRecordDir makes the folder to record to; "" is none. One that cannot be written to is told at the start, not
// when something happens.
func makeRecordDir(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder to record to: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return fmt.Errorf("write to the folder to record to: %w", err)
	}
	return nil
}

// recording gives what begins a recording of a market in dir; nil when dir is "".
func recording(dir string, log *slog.Logger, registry *prometheus.Registry) func(dispatch.MarketID) node.Recording {
	if dir == "" {
		return nil
	}
	count := func(name, help string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "hexfleet", Name: name, Help: help}, []string{"market"})
		registry.MustRegister(c)
		return c
	}
	steps := count("record_steps_total", "Inputs of the markets' cores written to logs by --record.")
	bytes := count("record_bytes_total", "Bytes written to logs by --record.")
	broken := count("record_broken_total", "Logs that ended before their term: steps came too fast, or the disk failed.")
	return func(m dispatch.MarketID) node.Recording {
		broken.WithLabelValues(string(m)) // told as 0 before the first
		return replay.NewRecorder(replay.Config{
			Dir: dir, Market: m, Program: programVersion(), Wall: dispatch.Wall{}, Log: log,
			Written: func(n, size int) {
				steps.WithLabelValues(string(m)).Add(float64(n))
				bytes.WithLabelValues(string(m)).Add(float64(size))
			},
			Broken: broken.WithLabelValues(string(m)).Inc,
		})
	}
}

// eraseLogs deletes the logs in dir that have the id of a person in them, and tells how many. A log that a server
// still writes goes from the folder at once, and from the disk when its term of leadership ends.
func eraseLogs(dir, id string) (int, error) {
	paths, err := replay.Files(dir)
	if err != nil {
		return 0, fmt.Errorf("list the logs: %w", err)
	}
	deleted := 0
	for _, path := range paths {
		held, err := replay.Holds(path, id)
		if err != nil {
			return deleted, fmt.Errorf("look into a log: %w", err)
		}
		if !held {
			continue
		}
		if err := os.Remove(path); err != nil {
			return deleted, fmt.Errorf("delete a log: %w", err)
		}
		deleted++
	}
	return deleted, nil
}
