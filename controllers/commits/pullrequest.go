package commits

import (
	"fmt"
	"strings"

	"github.com/gitover/gitover/gitops/pullrequest"
)

// PullRequest is what people read about a branch that waits to be merged: what its commit says.
func PullRequest(branch, into, message string) pullrequest.Request {
	title, body, _ := strings.Cut(strings.TrimSpace(message), "\n")
	return pullrequest.Request{
		Branch: branch, Into: into, Title: title,
		Body: fmt.Sprintf("```text\n%s\n```\n\nGitover goes on once this is on `%s`: merged, squashed or rebased. Closed without that, it counts as a refusal.",
			strings.ReplaceAll(strings.TrimSpace(body), "```", "'''"), into),
	}
}
