// Package controllers holds the two controllers that meet in Git: PgUpgrade walks an
// upgrade and never moves traffic; PgProxy moves traffic and only because Git said so.
//
// Each reconcile has the same order: get, observe (reads only), decide (steps.Next, pure), patch the intent, run
// one step, patch the result. Where the two could conflict, each stores its intent first and then reads the other's
// object, past the cache: an instance is not removed while a switch to it is claimed, and no switch begins to an
// instance that is being removed. This package has no SQL and no Git plumbing: git_port.go and cluster_port.go give
// the steps what they need.
//
// On failure: package outcome turns errors into conditions and events. Package access says what an upgrade may reach,
// package pace how often servers are looked at.
package controllers
