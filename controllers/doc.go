// Package controllers holds the two controllers that meet in Git: PgUpgrade walks an
// upgrade and never moves traffic; PgProxy moves traffic and only because Git said so.
//
// Each reconcile follows one line: get, observe (reads only), decide (steps.Next, pure),
// patch the intent, run one step, patch the result. Where the two could meet, each stores its
// intent first and reads the other's object afterwards, past the cache: an instance is not
// removed while a switch to it is claimed, and no switch begins to one that goes. Nothing of SQL and nothing of Git
// plumbing is here: git_port.go and cluster_port.go lend the steps what they ask for.
//
// On failure: package outcome turns errors into conditions and events. Package access says what an upgrade may reach,
// package pace how often servers are looked at.
package controllers
