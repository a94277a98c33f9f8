package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the build (-ldflags -X main.version=...); otherwise the module's own version counts.
var version string //nolint:gochecknoglobals // the linker can only set a package variable

// versionCmd prints the version.
type versionCmd struct{}

// Run implements the command.
func (versionCmd) Run(std stdio) error {
	_, err := fmt.Fprintf(std.Out, "hexfleet %s %s %s/%s\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// programVersion is the version of this build.
func programVersion() string {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version
	}
	return cmp.Or(v, "(devel)")
}
