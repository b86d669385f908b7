// Package history answers questions about commits of which only the newest are in the clone: which ones a branch has, and
// which one contains which. An answer that needs a commit beyond the clone's edge is ErrEdge, never 'no': the clone has to be deepened first.
package history
