// Package pullrequest opens pull requests for branches that Gitover pushed, and says what became of them, by the programming
// interfaces of GitHub, GitLab and Gitea (Forgejo has the same).
package pullrequest
