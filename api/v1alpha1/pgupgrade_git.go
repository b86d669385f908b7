package v1alpha1

// GitSpec names the Flux objects that deliver the manifests, and the credentials to push.
//
// +kubebuilder:validation:XValidation:rule="self.path == oldSelf.path && self.sourceRef == oldSelf.sourceRef",message="git.sourceRef and git.path are immutable; make a new PgUpgrade instead"
type GitSpec struct {
	// SourceRef names the Flux GitRepository.
	SourceRef ObjectReference `json:"sourceRef"`

	// KustomizationRef names the Flux Kustomization that applies Path. It must be the one
	// that delivered this PgUpgrade: this grants Gitover the right to write Path.
	KustomizationRef ObjectReference `json:"kustomizationRef"`

	// Path of the directory that holds upgrade, proxy, base and instances: the path of the
	// Kustomization, or below it.
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
