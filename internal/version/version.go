// Package version says which Gitover this is.
package version

import "runtime/debug"

// version is set by the linker (make build), from git.
var version string

// String is the linker's version, or else what `go install` knows: the module's version, or a version made from the commit.
func String() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
