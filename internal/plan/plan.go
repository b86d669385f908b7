package plan

import (
	"cmp"
	"context"
	"fmt"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/internal/findings"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

// Plan of an upgrade. Programs read it as JSON; its fields are those of `gitover plan -o json`.
type Plan struct {
	Upgrade string `json:"upgrade"`
	// From and To are instances, FromVersion and Version their majors.
	From        string `json:"from"`
	FromVersion string `json:"fromVersion"`
	To          string `json:"to"`
	Version     string `json:"version"`
	// UpToDate: nothing would be committed.
	UpToDate bool `json:"upToDate,omitempty"`

	// Blocking findings; without a server there are none to tell of.
	Asked    bool               `json:"serverAsked"`
	Blocking int                `json:"blocking"`
	Findings []findings.Finding `json:"findings,omitempty"`

	Commits []Commit `json:"commits,omitempty"`
	// Manifests of the new instance, as Flux would apply them; secrets are left out.
	Manifests string `json:"manifests,omitempty"`

	Databases []Database `json:"databases,omitempty"`
	Copy      *Copy      `json:"copy,omitempty"`
	Capacity  []Capacity `json:"capacity,omitempty"`
	Disk      *Disk      `json:"disk,omitempty"`
	Stall     Stall      `json:"stall"`
	Rollback  []string   `json:"rollback"`
	// Notes are what a reviewer should know besides.
	Notes []string `json:"notes,omitempty"`

	found []preflight.Finding
}

// Request says what is planned, and what is known.
type Request struct {
	// Upgrade as Git would have it, with status.from and status.to; its UID, namespace and former statuses if there is a cluster.
	Upgrade *v1alpha1.PgUpgrade
	// Proxy as the cluster has it, or as Git does.
	Proxy *v1alpha1.PgProxy
	// Files of the checkout by their paths from its root.
	Files map[string][]byte
	// Server is nil where none was asked.
	Server *Server
	// CopyRate in bytes a second, if a person knows it.
	CopyRate int64
}

// Of a request. Errors are those of the edits and of the build, each a line that says what to correct.
func Of(ctx context.Context, r Request) (*Plan, error) {
	u := r.Upgrade
	p := &Plan{Upgrade: u.Name, From: u.Status.From, To: u.Status.To,
		FromVersion: steps.VersionOf(u.Name, u.Spec.Adopt, u.Status.From), Version: steps.VersionOf(u.Name, nil, u.Status.To)}
	if r.Server != nil {
		p.Asked, p.found, p.Databases = true, r.Server.Findings, r.Server.Databases
		p.Findings, p.Blocking = findings.List(p.found), preflight.Blocking(p.found)
	}
	if p.UpToDate = p.FromVersion == p.Version; p.UpToDate {
		return p, nil
	}
	preview, err := gitops.NewPreview(r.Files, u.Spec.Git.Path)
	if err != nil {
		return nil, err
	}
	before := claimsOf(instanceObjects(preview, u))
	after, err := p.commit(ctx, preview, u)
	if err != nil {
		return nil, err
	}
	p.Stall, p.Rollback = stallOf(r.Proxy), rollbackOf(u)
	p.estimate(r, before, claimsOf(after))
	if u.Status.Workflow != "" {
		p.note("A workflow is in progress (%s, step %s): what it has done already isn't told apart here.", u.Status.Workflow, u.Status.Step)
	}
	if key := u.Spec.Git.Commit.SigningKey; key != nil {
		p.note("Gitover signs its commits with the %s key of Secret %s, and makes none without.", cmp.Or(key.Type, v1alpha1.SigningKeyGPG), key.SecretRef.Name)
	}
	if u.UID == "" {
		p.note("The line %q of the new instance's file names the PgUpgrade's UID and namespace, which only the cluster knows.", ownerLine)
	}
	return p, nil
}

func (p *Plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}
