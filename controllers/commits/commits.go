package commits

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
)

// OwnerOf the directory, as Git has it. The UID is what tells two clusters apart that apply
// one directory.
func OwnerOf(upgrade *v1alpha1.PgUpgrade) gitops.Owner {
	return gitops.Owner{UID: string(upgrade.UID), Name: upgrade.Namespace + "/" + upgrade.Name}
}

// People of a commit, as spec.git.commit names them.
func People(upgrade *v1alpha1.PgUpgrade) (author, committer gitops.Person) {
	spec := upgrade.Spec.Git.Commit
	author = gitops.Person{Name: cmp.Or(spec.Author.Name, "Gitover"), Email: cmp.Or(spec.Author.Email, "gitover@users.noreply.gitover.dev")}
	if c := spec.Committer; c != nil {
		return author, gitops.Person{Name: c.Name, Email: c.Email}
	}
	return author, author
}

// Instance is status.to as it is rendered.
func Instance(upgrade *v1alpha1.PgUpgrade) gitops.InstanceRequest {
	spec := upgrade.Spec.Instance
	version := steps.VersionOf(upgrade.Name, nil, upgrade.Status.To)
	request := gitops.InstanceRequest{
		Upgrade: upgrade.Name, Version: version, Base: cmp.Or(spec.Base, "base"), Owner: OwnerOf(upgrade),
	}
	for _, image := range spec.Images {
		tag := strings.ReplaceAll(cmp.Or(image.NewTag, "{version}"), "{version}", version)
		request.Images = append(request.Images, gitops.Image{Name: image.Name, NewName: image.NewName, Tag: tag})
	}
	for _, p := range spec.Patches {
		patch := gitops.Patch{Patch: p.Patch}
		if t := p.Target; t != nil {
			patch.Target = &gitops.PatchTarget{Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, LabelSelector: t.LabelSelector}
		}
		request.Patches = append(request.Patches, patch)
	}
	return request
}

// Edit is what a step changes in the directory.
func Edit(upgrade *v1alpha1.PgUpgrade, step string) (gitops.Edit, error) {
	status := upgrade.Status
	switch step {
	case steps.CommitGreen:
		return gitops.AddInstance(Instance(upgrade)), nil
	case steps.CommitRemoveGreen:
		return gitops.RemoveInstance(steps.VersionOf(upgrade.Name, nil, status.To)), nil
	case steps.CommitFinalize:
		if a := upgrade.Spec.Adopt; a != nil && a.Name == status.From {
			if a.Path == "" {
				// its manifests are in no repository that we know: nothing to commit
				return func(*gitops.Tree) error { return nil }, nil
			}
			return gitops.RemovePath(a.Path), nil
		}
		return gitops.RemoveInstance(steps.VersionOf(upgrade.Name, nil, status.From)), nil
	case steps.CommitCutover:
		return gitops.SetTarget(upgrade.Spec.ProxyRef.Name, status.To), nil
	case steps.CommitRollback:
		return gitops.SetTarget(upgrade.Spec.ProxyRef.Name, status.From), nil
	}
	return nil, fmt.Errorf("step %s commits nothing", step)
}
