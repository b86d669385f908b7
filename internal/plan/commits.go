package plan

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/commits"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
)

// Commit that would be made.
type Commit struct {
	// Step of the workflow that makes it; empty for the commit that asks for the version, which is a person's.
	Step string `json:"step,omitempty"`
	// When, in words.
	When    string `json:"when"`
	Subject string `json:"subject"`
	// Diff in Git's format, byte for byte.
	Diff string `json:"diff"`
}

const (
	// unknownUID and unknownNamespace stand in the place of what the cluster gives.
	unknownUID       = "<uid>"
	unknownNamespace = "<namespace>"
	ownerLine        = "# gitover.dev/owner:"
)

// planned steps that commit, in their order, and when they do.
var planned = []struct{ step, when string }{
	{steps.CommitGreen, "once the preflight has passed"},
	{steps.CommitCutover, "once every row is on the new server, is verified, and the approval is given"},
	{steps.CommitFinalize, "when the soak is over"},
}

// commit all of it in memory, and give the objects of the new instance as they are before the cutover.
func (p *Plan) commit(ctx context.Context, preview *gitops.Preview, upgrade *v1alpha1.PgUpgrade) ([]*unstructured.Unstructured, error) {
	u := upgrade.DeepCopy()
	if u.UID == "" {
		u.UID, u.Namespace = unknownUID, cmp.Or(u.Namespace, unknownNamespace)
	}
	if err := p.ask(ctx, preview, u); err != nil {
		return nil, err
	}
	var green []*unstructured.Unstructured
	for _, c := range planned {
		edit, err := commits.Edit(u, c.step)
		if err != nil {
			return nil, err
		}
		message, err := commits.Message(u, c.step, nil)
		if err != nil {
			return nil, fmt.Errorf("spec.git.commit.messageTemplate: %w", err)
		}
		diff, err := preview.Apply(ctx, edit)
		if err != nil {
			return nil, err
		}
		if diff == "" {
			continue
		}
		subject, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
		p.Commits = append(p.Commits, Commit{c.step, c.when, subject, diff})
		if c.step != steps.CommitGreen {
			continue
		}
		if green, err = preview.Build(commits.Instance(u).Directory()); err != nil {
			return nil, err
		}
		if p.Manifests, err = manifestsOf(green); err != nil {
			return nil, err
		}
	}
	return green, nil
}

// ask is the change that starts the upgrade, unless the files have it already.
func (p *Plan) ask(ctx context.Context, preview *gitops.Preview, u *v1alpha1.PgUpgrade) error {
	if from := u.Spec.VersionFrom; from != nil {
		p.note("The version comes from %s, field %s: change it there.", from.Path, from.Field)
		return nil
	}
	diff, err := preview.Apply(ctx, gitops.SetVersion(u.Name, p.Version))
	if err == nil && diff != "" {
		p.Commits = append(p.Commits, Commit{"", "your pull request", fmt.Sprintf("Upgrade %s to PostgreSQL %s", u.Name, p.Version), diff})
	}
	return err
}

// instanceObjects of the server that serves, as the checkout renders them; nothing where its manifests are elsewhere.
func instanceObjects(preview *gitops.Preview, u *v1alpha1.PgUpgrade) []*unstructured.Unstructured {
	directory := path.Join(gitops.InstancesDirectory, steps.VersionOf(u.Name, nil, u.Status.From))
	if a := u.Spec.Adopt; a != nil && a.Name == u.Status.From {
		if directory = a.Path; directory == "" {
			return nil
		}
	}
	objects, err := preview.Build(directory)
	if err != nil {
		return nil
	}
	return objects
}

// manifestsOf objects as YAML. What a Secret holds isn't shown to whoever may read a pull request.
func manifestsOf(objects []*unstructured.Unstructured) (string, error) {
	var b strings.Builder
	for _, o := range objects {
		if o.GetKind() == "Secret" {
			hide(o)
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return "", err
		}
		if b.Len() > 0 {
			b.WriteString("---\n")
		}
		b.Write(text)
	}
	return b.String(), nil
}

// hide what a Secret holds. These objects are ours alone: what kustomize gives can't be copied as the API's objects are.
func hide(secret *unstructured.Unstructured) {
	for _, field := range []string{"data", "stringData"} {
		values, ok := secret.Object[field].(map[string]any)
		if !ok {
			delete(secret.Object, field)
			continue
		}
		for key := range values {
			values[key] = "(hidden)"
		}
	}
}
