// Command hexfleet is the whole engine in one binary: the server, its tools and its load generator. There is
// one file a subcommand; config.go reads flags, environment and files; run.go wires the rooms together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // markets name IANA zones; a bare machine may have no table of them

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], stdio{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// stdio is where a command writes: results to Out, logs and progress to Err.
type stdio struct{ Out, Err io.Writer }

// The exit codes of the contract.
const (
	exitDone    = 0
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a mistake in how the command was called: exit code 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// commands is the command line.
type commands struct {
	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Token    tokenCmd    `cmd:"" help:"Print a token for a rider, driver, dispatcher, service or admin."`
	Load     loadCmd     `cmd:"" help:"Play drivers and riders against a running server and check every promise they can see."`
	Simulate simulateCmd `cmd:"" help:"Run the engine on a virtual clock: compare policies on a recorded day or a made-up city."`
	Tune     tuneCmd     `cmd:"" help:"Look for a better policy: try values of its keys on some days, and judge the best on others."`
	Solve    solveCmd    `cmd:"" help:"Solve one assignment instance, with a proof that no assignment costs less."`
	Replay   replayCmd   `cmd:"" help:"Run what serve --record recorded again, and compare every effect."`
	Migrate  migrateCmd  `cmd:"" help:"Show or change the tables of a store."`
	Backup   backupCmd   `cmd:"" help:"Copy the data dir of a server on SQLite while it runs."`
	Audit    auditCmd    `cmd:"" help:"Show or check the audit log."`
	Export   exportCmd   `cmd:"" help:"Print all that is held of a rider or driver."`
	Erase    eraseCmd    `cmd:"" help:"Take a rider or driver out of the store."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// run is the program: it parses args, runs the command until ctx ends, and gives the exit code.
func run(ctx context.Context, args []string, std stdio) int {
	var cli commands
	helped := false
	parser, err := kong.New(&cli,
		kong.Name("hexfleet"),
		kong.Description("A real-time dispatch engine for rides and deliveries."),
		kong.Writers(std.Out, std.Err),
		kong.DefaultEnvars("HEXFLEET"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(int) { helped = true }), // only --help exits by itself
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		panic(err) // the command line's own description is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitDone
	}
	if err != nil {
		return complain(std, usageError{err})
	}
	return complain(std, parsed.Run())
}

// complain tells an error in one line and gives the exit code.
func complain(std stdio, err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(std.Err, "hexfleet: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintln(std.Err, "Run 'hexfleet --help' or 'hexfleet COMMAND --help' for what is possible.")
		return exitUsage
	}
	return exitFailure
}
