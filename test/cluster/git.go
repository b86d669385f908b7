package cluster

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/gitover/gitover/test/cluster/layout"
	"github.com/gitover/gitover/test/cluster/run"
)

// gitUser is the user ID that the Git server's repositories belong to.
const gitUser = 1000

// Git is how to reach the stage's Git server. Its repositories are served as
// http://<host>/<name>.git and ssh://git@<host>/<name>.git.
type Git struct {
	Username   string `json:"username"`
	Password   string `json:"password"`
	PrivateKey string `json:"privateKey"` // OpenSSH, for SSH as user git
	PublicKey  string `json:"publicKey"`  // the line of an authorized_keys file
	HostKey    string `json:"hostKey"`    // the server's public key
	Address    string `json:"address"`    // the server's ClusterIP

	dir string // where the bare repositories are on this machine
}

// GitHost is the server's name inside the cluster.
const GitHost = "git.stage-git.svc.cluster.local"

// ClusterURL is the fleet repository's URL for pods, without credentials.
func (g Git) ClusterURL() string { return "http://" + GitHost + "/fleet.git" }

// ClusterSSH is the same over SSH.
func (g Git) ClusterSSH() string { return "ssh://git@" + GitHost + "/fleet.git" }

// HostURL is the fleet repository's URL for this machine, credentials included.
func (g Git) HostURL() string { return g.HostURLOf("fleet") }

// HostURLOf is the URL of the named repository for this machine.
func (g Git) HostURLOf(repository string) string {
	return "http://" + g.Username + ":" + g.Password + "@" + g.Address + "/" + repository + ".git"
}

// KnownHosts are the lines of a known_hosts file, for pods and this machine.
func (g Git) KnownHosts() string {
	return GitHost + " " + g.HostKey + "\n" + g.Address + " " + g.HostKey + "\n"
}

func gitDir(l layout.Layout) string         { return filepath.Join(l.NodeDir(), "git") }
func gitCredentials(l layout.Layout) string { return filepath.Join(l.State(), "git.json") }
func gitHostKeyFile(l layout.Layout) string { return filepath.Join(l.State(), "git-host-key") }

// create makes credentials and the fleet repository, with one first commit.
func (g *Git) create(ctx context.Context, l layout.Layout, network layout.Network) error {
	private, public, err := newSSHKey()
	if err != nil {
		return err
	}
	hostPrivate, hostPublic, err := newSSHKey()
	if err != nil {
		return err
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	*g = Git{
		Username: "gitover", Password: hex.EncodeToString(secret),
		PrivateKey: private, PublicKey: public, HostKey: hostPublic,
		Address: network.Git(), dir: gitDir(l),
	}
	content, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(gitCredentials(l), content, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(gitHostKeyFile(l), []byte(hostPrivate), 0o600); err != nil {
		return err
	}
	return g.CreateRepository(ctx, "fleet")
}

// load reads what create has written.
func (g *Git) load(l layout.Layout) error {
	content, err := os.ReadFile(gitCredentials(l))
	if err != nil {
		return fmt.Errorf("the stage's Git credentials: %w", err)
	}
	g.dir = gitDir(l)
	return json.Unmarshal(content, g)
}

// secretValues are the placeholders of the Git server's manifest.
func (g Git) secretValues(l layout.Layout) (map[string]string, error) {
	hostKey, err := os.ReadFile(gitHostKeyFile(l))
	if err != nil {
		return nil, err
	}
	quoted, err := json.Marshal(string(hostKey))
	return map[string]string{
		"GIT_USER": g.Username, "GIT_PASSWORD": g.Password,
		"GIT_AUTHORIZED_KEY": g.PublicKey, "GIT_HOST_KEY": string(quoted),
	}, err
}

func newSSHKey() (private, public string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return "", "", err
	}
	sshPublic, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPublic))), nil
}

// preReceive is the branch protection: what file `protection` in the repository or
// beside it lists is refused, whatever way a push comes in.
const preReceive = `#!/bin/sh
protection="$(cat protection ../protection 2>/dev/null)"
while read -r old new ref; do
	[ "$ref" = refs/heads/main ] || continue
	case "$protection" in *no-direct-push*)
		echo "protected branch: changes to main go through a merge request" >&2; exit 1 ;;
	esac
	case "$protection" in *no-force*)
		zero=0000000000000000000000000000000000000000
		if [ "$new" = $zero ] || { [ "$old" != $zero ] && ! git merge-base --is-ancestor "$old" "$new"; }; then
			echo "protected branch: history of main can't be rewritten" >&2; exit 1
		fi ;;
	esac
done
`

// CreateRepository makes a bare repository with branch main and one commit. Tests
// that want one of their own use it; an existing one is left as it is.
func (g Git) CreateRepository(ctx context.Context, name string) error {
	path := filepath.Join(g.dir, name+".git")
	if _, err := os.Stat(filepath.Join(path, "HEAD")); err == nil {
		return nil
	}
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return err
	}
	if _, err := run.Output(ctx, "git", "init", "--quiet", "--bare", "--initial-branch=main", path); err != nil {
		return err
	}
	for _, setting := range []string{"http.receivepack=true", "receive.denyDeleteCurrent=false", "uploadpack.allowFilter=true"} {
		key, value, _ := strings.Cut(setting, "=")
		if _, err := g.run(ctx, name, "config", key, value); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(path, "hooks", "pre-receive"), []byte(preReceive), 0o755); err != nil {
		return err
	}
	tree, err := g.run(ctx, name, "mktree")
	if err != nil {
		return err
	}
	commit, err := g.run(ctx, name, "commit-tree", tree, "-m", "Begin the fleet repository")
	if err != nil {
		return err
	}
	if _, err := g.run(ctx, name, "update-ref", "refs/heads/main", commit); err != nil {
		return err
	}
	return g.handOver()
}

// MergeBranch merges a branch of the fleet repository into main on the server, as
// a merge request does: protection of main doesn't bind it. It returns the merge
// commit.
func (g Git) MergeBranch(ctx context.Context, branch, message string) (commit string, err error) {
	tree, err := g.run(ctx, "fleet", "merge-tree", "--write-tree", "main", branch)
	if err != nil {
		return "", fmt.Errorf("merging %s: %w", branch, err)
	}
	commit, err = g.run(ctx, "fleet", "commit-tree", strings.Fields(tree)[0], "-p", "main", "-p", branch, "-m", message)
	if err != nil {
		return "", err
	}
	old, err := g.run(ctx, "fleet", "rev-parse", "main")
	if err != nil {
		return "", err
	}
	if _, err := g.run(ctx, "fleet", "update-ref", "refs/heads/main", commit, old); err != nil {
		return "", fmt.Errorf("main moved while %s was merged: %w", branch, err)
	}
	return commit, g.handOver()
}

// Protect sets what a push to main may not do: any of "no-direct-push" and
// "no-force"; nothing lifts the protection.
func (g Git) Protect(rules ...string) error {
	return os.WriteFile(filepath.Join(g.dir, "protection"), []byte(strings.Join(rules, "\n")), 0o644)
}

// SetFault makes the server misbehave over HTTP, see cmd/gitserver; an empty
// fault ends that.
func (g Git) SetFault(fault string) error {
	return os.WriteFile(filepath.Join(g.dir, "fault"), []byte(fault), 0o644)
}

// ProtectRepository sets the same for one repository alone.
func (g Git) ProtectRepository(name string, rules ...string) error {
	return os.WriteFile(filepath.Join(g.dir, name+".git", "protection"), []byte(strings.Join(rules, "\n")), 0o644)
}

// run runs git in a bare repository on this machine, as the stage's own author.
func (g Git) run(ctx context.Context, repository string, args ...string) (string, error) {
	identity := []string{"-c", "user.name=Stage", "-c", "user.email=stage@gitover.local", "-c", "safe.directory=*"}
	all := append([]string{"git", "-C", filepath.Join(g.dir, repository+".git")}, append(identity, args...)...)
	out, err := run.Output(ctx, all...)
	return strings.TrimSpace(out), err
}

// handOver gives what was made here to the server's user.
func (g Git) handOver() error {
	return filepath.WalkDir(g.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, gitUser, gitUser)
	})
}
