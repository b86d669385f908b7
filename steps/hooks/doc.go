// Package hooks runs what people want done at moments of an upgrade: Jobs, and files of SQL, from Git.
//
// Authority: status.hooks says which hooks of this attempt began, and the Job of that name what has become of one. A hook is pinned
// first: the file is read at the commit that Flux fetched, and commit and digest are stored, before its Job is created with exactly
// that content. The Job's name derives from the upgrade, run, attempt and hook, so that a controller that was killed in between finds
// it again and none runs twice. A Job that was seen and is gone without a result counts as failed: what it has done isn't known.
//
// States: Pending (pinned), Running (its Job is there), Succeeded, Failed, Canceled (the upgrade took another way).
//
// Unknown never begins a hook: every question to Git, Kubernetes or the serving instance that has no answer is an error, and the next
// look asks again.
package hooks
