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

// The first versions that have features on which Gitover's statements depend.
const (
	// WithSubscriptionErrors counts the errors of a subscription.
	WithSubscriptionErrors = 15
	// WithLocaleProviders lets a database have an ICU locale; withICURules, rules of its own on top.
	WithLocaleProviders = 15
	WithICURules        = 16
	// WithEventTriggersOff lets a session run without event triggers.
	WithEventTriggersOff = 17
	// WithFailoverSlots lets a standby keep a copy of a logical slot, so that a subscription survives its promotion.
	WithFailoverSlots = 17
	// WithBuiltinLocales needs neither ICU nor the C library.
	WithBuiltinLocales = 17
	// WithClosedPublicSchema lets only its owner create in the schema "public".
	WithClosedPublicSchema = 15
	// WithMembershipOptions has INHERIT and SET with each membership.
	WithMembershipOptions = 16
	// WithRunAsOwner lets a subscription apply changes as its owner, which older ones always do.
	WithRunAsOwner = 16
	// WithAnalyzeOnly collects statistics of a partitioned table without those of its partitions.
	WithAnalyzeOnly = 18
	// WithRequireAuth lets a connection refuse authentication methods that reveal its password.
	WithRequireAuth = 16
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
