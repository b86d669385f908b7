package postgres

import (
	"fmt"
	"strconv"
)

// The major versions that Gitover upgrades from and to are all from Oldest to Latest. docs/development.md says how to
// add one; tests fail while a part of it is missing.
const (
	Oldest = 13
	Latest = 19
)

// The first versions that have what statements of Gitover depend on.
const (
	// withSubscriptionErrors counts what stops a subscription.
	withSubscriptionErrors = 15
	// withLocaleProviders lets a database have an ICU locale; withICURules, rules of its own on top.
	withLocaleProviders = 15
	withICURules        = 16
	// withEventTriggersOff lets a session run without event triggers.
	withEventTriggersOff = 17
	// withBuiltinLocales needs neither ICU nor the C library.
	withBuiltinLocales = 17
	// withClosedPublicSchema lets only its owner create in the schema "public".
	withClosedPublicSchema = 15
	// withMembershipOptions has INHERIT and SET with each membership.
	withMembershipOptions = 16
	// withRunAsOwner lets a subscription apply changes as its owner, which older ones always do.
	withRunAsOwner = 16
	// withRequireAuth lets a connection refuse to show its password to whoever asks.
	withRequireAuth = 16
)

// Supported says whether Gitover upgrades from and to this major version.
func Supported(major int) bool { return major >= Oldest && major <= Latest }

// ParseVersion reads a supported major version as specs write it: digits alone.
func ParseVersion(s string) (major int, ok bool) {
	major, err := strconv.Atoi(s)
	return major, err == nil && strconv.Itoa(major) == s && Supported(major)
}

// SupportedVersions in words.
func SupportedVersions() string { return fmt.Sprintf("%d to %d", Oldest, Latest) }
