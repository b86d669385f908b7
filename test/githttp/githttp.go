// Package githttp serves Git repositories over HTTP by git's own http-backend.
package githttp

import (
	"net/http"
	"net/http/cgi"
	"os/exec"
)

// Backend serves the repositories below root, and lets user push.
func Backend(root, user string) (http.Handler, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	return &cgi.Handler{Path: git, Args: []string{"http-backend"}, Env: []string{
		"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + user, "GIT_CONFIG_NOSYSTEM=1", "HOME=" + root,
	}}, nil
}
