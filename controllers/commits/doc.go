// Package commits says what Gitover commits for an upgrade: which files change, and in which words. It knows the PgUpgrade
// alone and has no effect, so that `gitover plan` shows what the controller would commit.
package commits
