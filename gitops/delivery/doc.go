// Package delivery tells how far Flux has brought a commit to the cluster, and asks it to fetch one now.
//
//	NotFetched -> Fetched -> Applying -> Applied
//
// The other phases need a human: SourceFailed, BuildFailed, ReconciliationFailed,
// AppliedUnhealthy, Suspended, DependencyNotReady. A descendant of the commit counts as the
// commit. Ready alone is never trusted.
package delivery
