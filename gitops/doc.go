// Package gitops reads and writes the Git repository that declares what
// databases run. Package delivery tells what Flux has made of it.
//
// # Authority
//
// Git is the only memory. This package keeps nothing that it couldn't read again:
// it finds a commit of Gitover's by its trailers, a human's revert by comparing contents, and
// what the cluster runs by Flux's own status. It changes files only below the directory it was
// given, only through an Edit, and never touches a work tree: files are read from and written
// to Git objects, so that symlinks, submodules, hooks and odd names in a repository have no
// effect here.
//
// # A commit
//
//	fetch -> look for our trailers -> edit the tip's tree -> push if the branch is still at that tip
//	  ^                                                              |
//	  +---- pause with jitter: the race or the answer was lost <-----+
//
// The push carries the tip that was fetched, and the server compares before it
// swaps. There is no force. One writer per repository and branch runs at a time in a
// process; writers in other processes are kept apart by the compare-and-swap. Whatever happens
// in between, a second call with the same unique trailers finds the first one's
// commit, or makes it.
//
// # Failure
//
// A clone begins with the newest commits (package shallow). Where the answer to a question may be beyond them (package history), the
// clone is deepened and the question asked again: that something isn't in the clone never counts as an answer.
//
// Errors have a kind (errors.go) for errors.Is and a text that says what to do.
// Temporary tells those that pass by themselves. No text holds a credential. A
// clone that is damaged, too old or too large in number is thrown away and made
// again; a rewritten history replaces ours.
package gitops
