package pullrequest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-github/v88/github"
)

type gitHub struct {
	client      *github.Client
	owner, name string
}

func newGitHub(web *http.Client, base *url.URL, owner, name, token string) (host, error) {
	options := []github.ClientOptionsFunc{github.WithHTTPClient(web), github.WithAuthToken(token)}
	if base.Hostname() != "github.com" {
		options = append(options, github.WithEnterpriseURLs(base.String(), base.String()))
	}
	client, err := github.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	return &gitHub{client, owner, name}, nil
}

func (g *gitHub) open(ctx context.Context, r Request) (State, error) {
	pr, answer, err := g.client.PullRequests.Create(ctx, g.owner, g.name, &github.NewPullRequest{Title: &r.Title, Head: &r.Branch, Base: &r.Into, Body: &r.Body})
	return gitHubState(pr), judged(statusOfGitHub(answer), err)
}

func (g *gitHub) find(ctx context.Context, r Request) (State, bool, error) {
	list, answer, err := g.client.PullRequests.List(ctx, g.owner, g.name, &github.PullRequestListOptions{State: "open", Head: g.owner + ":" + r.Branch, Base: r.Into})
	if err != nil || len(list) == 0 {
		return State{}, false, judged(statusOfGitHub(answer), err)
	}
	return gitHubState(list[0]), true, nil
}

func (g *gitHub) state(ctx context.Context, number int64) (State, error) {
	pr, answer, err := g.client.PullRequests.Get(ctx, g.owner, g.name, int(number))
	return gitHubState(pr), judged(statusOfGitHub(answer), err)
}

func gitHubState(pr *github.PullRequest) State {
	return State{Number: int64(pr.GetNumber()), URL: pr.GetHTMLURL(), Open: pr.GetState() == "open", Merged: pr.GetMerged()}
}

func statusOfGitHub(answer *github.Response) int {
	if answer == nil || answer.Response == nil {
		return 0
	}
	return answer.StatusCode
}
