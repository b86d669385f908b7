// Package git measures what Gitover does with a repository of 50,000 files and 100,000 commits, beside the git command.
package git
