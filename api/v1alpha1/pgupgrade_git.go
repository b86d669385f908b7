package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GitSpec names the Flux objects that deliver the manifests, and the credentials to push.
//
// +kubebuilder:validation:XValidation:rule="self.sourceRef == oldSelf.sourceRef",message="git.sourceRef is immutable; make a new PgUpgrade instead"
type GitSpec struct {
	// SourceRef names the Flux GitRepository.
	SourceRef ObjectReference `json:"sourceRef"`

	// KustomizationRef names the Flux Kustomization that applies Path. It must be the one
	// that delivered this PgUpgrade: this grants Gitover the right to write Path.
	KustomizationRef ObjectReference `json:"kustomizationRef"`

	// Path of the directory that holds upgrade, proxy, base and instances: the path of the
	// Kustomization, or below it. Change it by the commit that moves the directory.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must stay inside the repository"
	Path string `json:"path"`

	// Branch to push to; the GitRepository's own by default, and no other if it follows one.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Branch string `json:"branch,omitempty"`

	// PushSecretRef names a Secret in Flux's format with the right to push; the
	// GitRepository's own by default, if it is in the same namespace.
	// +optional
	PushSecretRef *SecretReference `json:"pushSecretRef,omitempty"`

	// Commit says how Gitover commits.
	// +optional
	Commit CommitSpec `json:"commit,omitempty"`

	// Push says where Gitover pushes to; to the branch that Flux follows by default.
	// +optional
	Push *PushSpec `json:"push,omitempty"`
}

// PushSpec has Gitover propose its commits instead of pushing them to the branch that Flux follows, in the fields of Flux's
// ImageUpdateAutomation.
type PushSpec struct {
	// Branch that Gitover pushes a commit to, a Go text/template: .Upgrade, .Namespace, .Step, .From, .To, .FromVersion, .ToVersion,
	// .Run and .Attempt. Gitover waits until the content of the commit is on the branch that Flux follows: merged, squashed,
	// rebased, or written there by people. A branch that is deleted before counts as a refusal. It must not be the branch that
	// Flux follows.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Branch string `json:"branch"`

	// Options of the push, if the server takes any: GitLab opens a merge request for merge_request.create.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	Options map[string]string `json:"options,omitempty"`

	// PullRequest has Gitover open a pull request of the branch. One that is closed without having been merged counts as a refusal.
	// +optional
	PullRequest *PullRequestSpec `json:"pullRequest,omitempty"`
}

// PullRequestSpec says where pull requests are opened.
type PullRequestSpec struct {
	// Provider of the repository: GitHub, GitLab, or Gitea, which Forgejo is like.
	// +kubebuilder:validation:Enum=GitHub;GitLab;Gitea
	Provider string `json:"provider"`

	// Address of the host's web interface, such as https://git.example.com; the host of the repository's URL, by https, by default.
	// +kubebuilder:validation:Pattern="^https://"
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Address string `json:"address,omitempty"`

	// SecretRef names a Secret whose key token may open pull requests; the password of the Secret with the right to push by default.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// PullRequestStatus is a pull request that Gitover opened.
type PullRequestStatus struct {
	Number int64 `json:"number"`
	// URL for people.
	URL string `json:"url"`
}

// ProposalStatus is a commit that waits on a branch of its own.
type ProposalStatus struct {
	// Branch that it waits on.
	Branch string `json:"branch"`
	// Into is the branch that Flux follows.
	Into string `json:"into"`
	// Workflow, Step and Attempt that it belongs to.
	Workflow string `json:"workflow"`
	Step     string `json:"step"`
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// Commit that Gitover pushed there.
	Commit string `json:"commit"`
	// Base is the commit of the followed branch that it is on.
	Base string `json:"base"`
	// Retry is spec.retry as it was then: another value has a refused commit proposed again.
	// +optional
	Retry string `json:"retry,omitempty"`
	// PullRequest of the branch.
	// +optional
	PullRequest *PullRequestStatus `json:"pullRequest,omitempty"`
	// ProposedAt is when Gitover made the commit.
	ProposedAt metav1.Time `json:"proposedAt"`
}

// CommitSpec says how Gitover commits, in the fields of Flux's ImageUpdateAutomation.
type CommitSpec struct {
	// Author of Gitover's commits.
	// +optional
	Author CommitAuthor `json:"author,omitempty"`

	// Committer of Gitover's commits; the author by default.
	// +optional
	Committer *CommitUser `json:"committer,omitempty"`

	// SigningKey signs Gitover's commits. No commit is made without a signature while the key can't be used.
	// +optional
	SigningKey *SigningKey `json:"signingKey,omitempty"`

	// SignOff adds the trailer Signed-off-by with the committer.
	// +optional
	SignOff bool `json:"signOff,omitempty"`

	// MessageTemplate is a Go text/template for subject and body of commit messages. Gitover's trailers follow in any case.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	MessageTemplate string `json:"messageTemplate,omitempty"`

	// MessageTemplateValues are .Values of the template.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	MessageTemplateValues map[string]string `json:"messageTemplateValues,omitempty"`
}

// SigningKeyType is the format of a key that signs commits.
// +kubebuilder:validation:Enum=gpg;ssh
type SigningKeyType string

// The formats of keys that sign commits.
const (
	// SigningKeyGPG is an OpenPGP key: git.asc (armored) and, if it is locked, passphrase.
	SigningKeyGPG SigningKeyType = "gpg"
	// SigningKeySSH is an SSH key: identity and, if it is locked, password.
	SigningKeySSH SigningKeyType = "ssh"
)

// SigningKey names the key that signs commits.
type SigningKey struct {
	// SecretRef names a Secret of this namespace. Type gpg: git.asc, an armored OpenPGP private key, and passphrase if it is
	// locked. Type ssh: identity, a private key as ssh-keygen makes it (ed25519, ecdsa, or rsa of 2,048 bits or more), and
	// password if it is locked.
	SecretRef SecretReference `json:"secretRef"`

	// Type of the key.
	// +kubebuilder:default=gpg
	// +optional
	Type SigningKeyType `json:"type,omitempty"`
}

// CommitUser is a person of a commit.
type CommitUser struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`

	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Email string `json:"email"`
}

// CommitAuthor of Gitover's commits.
type CommitAuthor struct {
	// +kubebuilder:default="Gitover"
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Name string `json:"name,omitempty"`

	// +kubebuilder:default="gitover@users.noreply.gitover.dev"
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Email string `json:"email,omitempty"`
}

// PlanStatus is what a cutover would do.
type PlanStatus struct {
	// Digest of the items, for spec.cutover.approvedPlan.
	Digest string `json:"digest"`
	// Items: the instances, their images, the databases, what was acknowledged, and the findings of the preflight but for
	// mere information.
	Items []string `json:"items"`
}
