package pullrequest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"
)

type gitLab struct {
	client  *gitlab.Client
	project string
}

func newGitLab(web *http.Client, base *url.URL, project, token string) (host, error) {
	client, err := gitlab.NewClient(token, gitlab.WithBaseURL(base.String()), gitlab.WithHTTPClient(web), gitlab.WithoutRetries())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	return &gitLab{client, project}, nil
}

func (g *gitLab) open(ctx context.Context, r Request) (State, error) {
	mr, answer, err := g.client.MergeRequests.CreateMergeRequest(g.project, &gitlab.CreateMergeRequestOptions{
		Title: &r.Title, Description: &r.Body, SourceBranch: &r.Branch, TargetBranch: &r.Into,
	}, gitlab.WithContext(ctx))
	if err != nil {
		return State{}, judged(statusOfGitLab(answer), err)
	}
	return gitLabState(&mr.BasicMergeRequest), nil
}

func (g *gitLab) find(ctx context.Context, r Request) (State, bool, error) {
	list, answer, err := g.client.MergeRequests.ListProjectMergeRequests(g.project, &gitlab.ListProjectMergeRequestsOptions{
		State: new("opened"), SourceBranch: &r.Branch, TargetBranch: &r.Into,
	}, gitlab.WithContext(ctx))
	if err != nil || len(list) == 0 {
		return State{}, false, judged(statusOfGitLab(answer), err)
	}
	return gitLabState(list[0]), true, nil
}

func (g *gitLab) state(ctx context.Context, number int64) (State, error) {
	mr, answer, err := g.client.MergeRequests.GetMergeRequest(g.project, number, nil, gitlab.WithContext(ctx))
	if err != nil {
		return State{}, judged(statusOfGitLab(answer), err)
	}
	return gitLabState(&mr.BasicMergeRequest), nil
}

// gitLabState: a merge request is locked for a moment while it is merged.
func gitLabState(mr *gitlab.BasicMergeRequest) State {
	return State{Number: mr.IID, URL: mr.WebURL, Open: mr.State == "opened" || mr.State == "locked", Merged: mr.State == "merged"}
}

func statusOfGitLab(answer *gitlab.Response) int {
	if answer == nil || answer.Response == nil {
		return 0
	}
	return answer.StatusCode
}
