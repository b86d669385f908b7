package controllers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/objects"
)

// tool runs a program of this machine in a directory.
func tool(t *testing.T, directory, name string, arguments ...string) string {
	t.Helper()
	command := exec.Command(name, arguments...)
	command.Dir = directory
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// newSSHKey as a person makes it.
func newSSHKey(t *testing.T) (private, public []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	tool(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file)
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = os.ReadFile(file + ".pub"); err != nil {
		t.Fatal(err)
	}
	return private, public
}

// signing is an upgrade that signs by SSH, in a real Git repository that Flux verifies.
type signing struct {
	*testing.T
	client.Client
	port *gitPort
	bare string
}

func aSigningUpgrade(t *testing.T) *signing {
	t.Helper()
	u := objects.Upgrade()
	u.UID = "ours"
	u.Spec.ProxyRef.Name, u.Spec.Instance.Base = "orders", "base"
	u.Spec.Git.Commit.SigningKey = &v1alpha1.SigningKey{SecretRef: v1alpha1.SecretReference{Name: "key"}, Type: v1alpha1.SigningKeySSH}
	u.Status = v1alpha1.PgUpgradeStatus{Run: "r", From: "orders-15", To: "orders-17", Attempt: 1}
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "fleet"}}
	source.Spec.Verification = &sourcev1.GitRepositoryVerification{Mode: sourcev1.ModeGitHEAD, SecretRef: meta.LocalObjectReference{Name: "trusted"}}
	c := fake.NewClientBuilder().WithScheme(schemeOf(t, clientgoscheme.AddToScheme, sourcev1.AddToScheme)).WithObjects(source).Build()
	s := &signing{T: t, Client: c}
	s.port = &gitPort{Client: c, fresh: c, upgrade: u, source: source}
	s.port.repository, s.bare = aFleetIn(t, map[string]string{
		"kustomization.yaml": "resources:\n- proxy.yaml\n- instances/15\n",
		"proxy.yaml":         "apiVersion: gitover.dev/v1alpha1\nkind: PgProxy\nmetadata: {name: orders}\nspec:\n  target: orders-15\n",
	})
	return s
}

// secret that a person creates or replaces.
func (s *signing) secret(name string, data map[string][]byte) {
	s.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}}
	if err := client.IgnoreNotFound(s.Delete(s.Context(), secret)); err != nil {
		s.Fatal(err)
	}
	secret.ResourceVersion, secret.Data = "", data
	if err := s.Create(s.Context(), secret); err != nil {
		s.Fatal(err)
	}
}

// refuses a commit with a reason and words, and the branch stays as it was.
func (s *signing) refuses(reason string, words ...string) {
	s.Helper()
	before := tool(s.T, s.bare, "git", "rev-parse", "main")
	err := s.port.Commit(s.Context(), steps.CommitGreen, nil)
	if err == nil {
		s.Fatalf("it was committed:\n%s", tool(s.T, s.bare, "git", "log", "-1", "main"))
	}
	if m := outcome.ReasonOf(err, ""); m.Reason != reason || !m.Stalled {
		s.Errorf("%+v of %v", m, err)
	}
	says(s.T, err.Error(), words...)
	if strings.Contains(err.Error(), "\n") {
		s.Errorf("more than a line: %v", err)
	}
	if check, commit := s.port.CheckInstance(s.Context()), err; check == nil || check.Error() != commit.Error() {
		s.Errorf("the preflight says %v, not %v", check, commit)
	}
	if after := tool(s.T, s.bare, "git", "rev-parse", "main"); after != before {
		s.Errorf("%s was pushed", after)
	}
}

// verified says by which of the keys git verifies the branch's tip.
func (s *signing) verified(public []byte) {
	s.Helper()
	allowed := filepath.Join(s.TempDir(), "allowed")
	if err := os.WriteFile(allowed, append([]byte("gitover@users.noreply.gitover.dev "), public...), 0o600); err != nil {
		s.Fatal(err)
	}
	says(s.T, tool(s.T, s.bare, "git", "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", "main"), "Good \"git\" signature for gitover@users.noreply.gitover.dev")
}

func TestCommitsAreSignedAndAKeyMayBeReplacedInTheMiddleOfAnUpgrade(t *testing.T) {
	s := aSigningUpgrade(t)
	private, public := newSSHKey(t)
	next, nextPublic := newSSHKey(t)

	s.refuses(v1alpha1.ReasonSecretNotFound, "spec.git.commit.signingKey", "Secret a/key does not exist; create it")
	s.secret("key", map[string][]byte{"identity": []byte("hush-hush")})
	s.refuses(v1alpha1.ReasonSecretInvalid, "Secret a/key", `key "identity" isn't an SSH private key`)
	s.secret("key", map[string][]byte{"identity": private})
	s.refuses(v1alpha1.ReasonSecretNotFound, "spec.verify of GitRepository fleet", "Secret a/trusted does not exist")
	s.secret("trusted", map[string][]byte{"gitover.sshpub": nextPublic})
	s.refuses(v1alpha1.ReasonSecretInvalid, "Flux would refuse Gitover's commits", "Secret a/trusted", ".sshpub")

	s.secret("trusted", map[string][]byte{"gitover.sshpub": append(public, nextPublic...)})
	if err := s.port.Commit(t.Context(), steps.CommitGreen, nil); err != nil {
		t.Fatal(err)
	}
	s.verified(public)

	s.secret("key", map[string][]byte{"identity": next})
	s.port.upgrade.Spec.Git.Commit.Committer = &v1alpha1.CommitUser{Name: "Robot", Email: "robot@example.org"}
	s.port.upgrade.Spec.Git.Commit.SignOff = true
	s.port.upgrade.Spec.Git.Commit.MessageTemplate = "[{{.Values.ticket}}] {{.Subject}}\n\n{{.Body}}\n\nGitover-Step: Nothing\nSigned-off-by: Mallory <m@example.org>"
	s.port.upgrade.Spec.Git.Commit.MessageTemplateValues = map[string]string{"ticket": "DB-17"}
	if err := s.port.Commit(t.Context(), steps.CommitCutover, nil); err != nil {
		t.Fatal(err)
	}
	s.verified(nextPublic)
	told := tool(t, s.bare, "git", "log", "-1", "--format=%s|%an|%cn|%(trailers:key=Gitover-Step,valueonly,separator=%x2C)|%(trailers:key=Signed-off-by,valueonly,separator=%x2C)", "main")
	if told != "[DB-17] orders: cut over from PostgreSQL 15 to 17|Gitover|Robot|CommitCutover|Robot <robot@example.org>\n" {
		t.Errorf("the commit says %s", told)
	}
}

func TestNothingIsCommittedUnsignedWhereFluxVerifies(t *testing.T) {
	s := aSigningUpgrade(t)
	s.port.upgrade.Spec.Git.Commit.SigningKey = nil
	s.refuses(v1alpha1.ReasonInvalidSpec, "GitRepository fleet verifies signatures", "set spec.git.commit.signingKey")
	s.port.source.Spec.Verification.Mode = sourcev1.ModeGitTag // commits aren't looked at
	if err := s.port.Commit(t.Context(), steps.CommitGreen, nil); err != nil {
		t.Fatal(err)
	}
}
