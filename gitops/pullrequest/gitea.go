package pullrequest

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"code.gitea.io/sdk/gitea"
)

type giteaHost struct {
	web                      *http.Client
	base, owner, name, token string
}

func newGitea(web *http.Client, base *url.URL, owner, name, token string) host {
	return &giteaHost{web, strings.TrimSuffix(base.String(), "/"), owner, name, token}
}

// client is bound to a context, and asks nothing by itself.
func (g *giteaHost) client(ctx context.Context) (*gitea.Client, error) {
	return gitea.NewClient(g.base, gitea.SetHTTPClient(g.web), gitea.SetToken(g.token), gitea.SetContext(ctx), gitea.SetGiteaVersion(""))
}

func (g *giteaHost) open(ctx context.Context, r Request) (State, error) {
	client, err := g.client(ctx)
	if err != nil {
		return State{}, err
	}
	pr, answer, err := client.CreatePullRequest(g.owner, g.name, gitea.CreatePullRequestOption{Head: r.Branch, Base: r.Into, Title: r.Title, Body: r.Body})
	if err != nil {
		return State{}, judged(statusOfGitea(answer), err)
	}
	return giteaState(pr), nil
}

// giteaPage is how many pull requests are asked for at once: the list can't be asked for a branch's.
const giteaPage = 50

func (g *giteaHost) find(ctx context.Context, r Request) (State, bool, error) {
	client, err := g.client(ctx)
	if err != nil {
		return State{}, false, err
	}
	for page := 1; ; page++ {
		list, answer, err := client.ListRepoPullRequests(g.owner, g.name, gitea.ListPullRequestsOptions{
			ListOptions: gitea.ListOptions{Page: page, PageSize: giteaPage}, State: gitea.StateOpen,
		})
		if err != nil {
			return State{}, false, judged(statusOfGitea(answer), err)
		}
		for _, pr := range list {
			if pr.Head != nil && pr.Base != nil && pr.Head.Ref == r.Branch && pr.Base.Ref == r.Into {
				return giteaState(pr), true, nil
			}
		}
		if len(list) == 0 {
			return State{}, false, nil
		}
	}
}

func (g *giteaHost) state(ctx context.Context, number int64) (State, error) {
	client, err := g.client(ctx)
	if err != nil {
		return State{}, err
	}
	pr, answer, err := client.GetPullRequest(g.owner, g.name, number)
	if err != nil {
		return State{}, judged(statusOfGitea(answer), err)
	}
	return giteaState(pr), nil
}

func giteaState(pr *gitea.PullRequest) State {
	return State{Number: pr.Index, URL: pr.HTMLURL, Open: pr.State == gitea.StateOpen, Merged: pr.HasMerged}
}

func statusOfGitea(answer *gitea.Response) int {
	if answer == nil || answer.Response == nil {
		return 0
	}
	return answer.StatusCode
}
