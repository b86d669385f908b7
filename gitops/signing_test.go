package gitops

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

const signingPassphrase = "open sesame"

// keyring is a directory of gpg's own, in which a person makes keys.
type keyring struct {
	t    *testing.T
	home string
}

func newKeyring(t *testing.T) keyring {
	t.Helper()
	home, err := os.MkdirTemp("", "gnupg") // its sockets' paths must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command := exec.Command("gpgconf", "--kill", "all")
		command.Env = append(os.Environ(), "GNUPGHOME="+home)
		_ = command.Run()
		_ = os.RemoveAll(home)
	})
	return keyring{t, home}
}

func (k keyring) gpg(arguments ...string) string {
	k.t.Helper()
	command := exec.Command("gpg", append([]string{"--batch", "--quiet", "--yes", "--pinentry-mode", "loopback"}, arguments...)...)
	command.Env = append(os.Environ(), "GNUPGHOME="+k.home)
	output, err := command.Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		k.t.Fatalf("gpg %v: %v\n%s", arguments, err, exit.Stderr)
	}
	return string(output)
}

// generate a key, locked unless the passphrase is empty; more are further steps, with {fingerprint} in them.
func (k keyring) generate(algorithm, usage, expires, passphrase string, more ...[]string) {
	k.t.Helper()
	k.gpg("--passphrase", passphrase, "--quick-gen-key", "Gitover <gitover@example.org>", algorithm, usage, expires)
	for _, step := range more {
		arguments := []string{"--passphrase", passphrase}
		for _, a := range step {
			arguments = append(arguments, strings.ReplaceAll(a, "{fingerprint}", k.fingerprint()))
		}
		k.gpg(arguments...)
	}
}

func (k keyring) fingerprint() string {
	k.t.Helper()
	for line := range strings.Lines(k.gpg("--list-keys", "--with-colons")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			return fields[9]
		}
	}
	k.t.Fatal("no key")
	return ""
}

// secret key, as a person exports it.
func (k keyring) secret(how, passphrase string) string {
	k.t.Helper()
	return k.gpg("--passphrase", passphrase, how, "--armor")
}

// sshKey makes a pair as a person does.
func sshKey(t *testing.T, passphrase string, how ...string) (private, public string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	run(t, "", "ssh-keygen", append([]string{"-q", "-f", file, "-N", passphrase, "-C", "gitover@example.org"}, how...)...)
	return string(content(t, file)), string(content(t, file+".pub"))
}

// signedCutover is a commit on a server of its own, and the server's repository.
func signedCutover(t *testing.T, signer Signer) (repository, sha string) {
	t.Helper()
	s := newStage(t)
	signed := request("CommitCutover", SetTarget("orders", "orders-17"))
	signed.Signer = signer
	signed.Committer = Person{Name: "Gitover's signer", Email: "signer@example.org"}
	result, err := s.open().Commit(t.Context(), signed)
	if err != nil {
		t.Fatal(err)
	}
	repository = s.root + "/fleet.git"
	if out := run(t, repository, "git", "fsck", "--strict"); strings.Contains(out, "error") {
		t.Error(out)
	}
	if people := run(t, repository, "git", "log", "-1", "--format=%an/%cn/%ce", result.Commit.SHA); people != "Gitover/Gitover's signer/signer@example.org\n" {
		t.Errorf("author and committer: %s", people)
	}
	return repository, result.Commit.SHA
}

func TestGitAndFluxVerifyWhatIsSignedByOpenPGP(t *testing.T) {
	stranger := newKeyring(t)
	stranger.generate("ed25519", "sign", "0", "")
	for name, c := range map[string]struct {
		algorithm, usage, export, passphrase string
		more                                 [][]string
	}{
		"ed25519":                    {"ed25519", "sign", "--export-secret-keys", "", nil},
		"rsa, locked":                {"rsa3072", "sign", "--export-secret-keys", signingPassphrase, nil},
		"a subkey, primary key away": {"ed25519", "cert", "--export-secret-subkeys", signingPassphrase, [][]string{{"--quick-add-key", "{fingerprint}", "ed25519", "sign", "0"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			k := newKeyring(t)
			k.generate(c.algorithm, c.usage, "0", c.passphrase, c.more...)
			data := []string{"git.asc", k.secret(c.export, c.passphrase)}
			if c.passphrase != "" {
				data = append(data, "passphrase", c.passphrase)
			}
			signer, err := OpenPGPSigner(*secretOf(data...), time.Now())
			g.Expect(err).NotTo(HaveOccurred())
			repository, sha := signedCutover(t, signer)
			t.Setenv("GNUPGHOME", k.home)
			g.Expect(run(t, repository, "git", "verify-commit", sha)).To(ContainSubstring("Good signature from \"Gitover <gitover@example.org>\""))

			public, other := k.gpg("--export", "--armor"), stranger.gpg("--export", "--armor")
			g.Expect(VerifiedBy(signer, *secretOf("stranger.asc", other, "gitover.asc", public))).To(Succeed())
			err = VerifiedBy(signer, *secretOf("stranger.asc", other))
			g.Expect(err).To(MatchError(ErrBadSecret))
			g.Expect(err).To(MatchError(ContainSubstring("add it under a key that ends in .asc")))
		})
	}
}

func TestGitAndFluxVerifyWhatIsSignedBySSH(t *testing.T) {
	_, stranger := sshKey(t, "", "-t", "ed25519")
	for name, c := range map[string]struct {
		passphrase string
		how        []string
	}{
		"ed25519":         {"", []string{"-t", "ed25519"}},
		"ed25519, locked": {signingPassphrase, []string{"-t", "ed25519"}},
		"ecdsa":           {"", []string{"-t", "ecdsa", "-b", "384"}},
		"rsa in PEM":      {signingPassphrase, []string{"-t", "rsa", "-b", "2048", "-m", "PEM"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			private, public := sshKey(t, c.passphrase, c.how...)
			signer, err := SSHSigner(*secretOf("identity", private, "password", c.passphrase))
			g.Expect(err).NotTo(HaveOccurred())
			repository, sha := signedCutover(t, signer)
			allowed := filepath.Join(t.TempDir(), "allowed_signers")
			g.Expect(os.WriteFile(allowed, []byte("gitover@example.org "+public), 0o600)).To(Succeed())
			g.Expect(run(t, repository, "git", "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", sha)).
				To(ContainSubstring(`Good "git" signature for gitover@example.org`))

			g.Expect(VerifiedBy(signer, *secretOf("stranger.sshpub", stranger, "gitover.sshpub", public))).To(Succeed())
			err = VerifiedBy(signer, *secretOf("stranger.sshpub", stranger))
			g.Expect(err).To(MatchError(ErrBadSecret))
			g.Expect(err).To(MatchError(ContainSubstring("add it under a key that ends in .sshpub")))
		})
	}
}

func TestAKeyThatCantSignSaysWhatToDo(t *testing.T) {
	k, locked, expired, split := newKeyring(t), newKeyring(t), newKeyring(t), newKeyring(t)
	k.generate("ed25519", "sign", "0", "")
	locked.generate("ed25519", "sign", "0", signingPassphrase)
	expired.generate("ed25519", "sign", "20300101T000000", "")
	split.generate("ed25519", "cert", "0", "", []string{"--quick-add-key", "{fingerprint}", "ed25519", "sign", "0"}, []string{"--quick-add-key", "{fingerprint}", "ed25519", "sign", "0"})
	private, _ := sshKey(t, "", "-t", "ed25519")
	lockedSSH, publicSSH := sshKey(t, signingPassphrase, "-t", "ed25519")
	smallSSH, _ := sshKey(t, "", "-t", "rsa", "-b", "1024")
	after := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	secretKey := k.secret("--export-secret-keys", "")
	openpgp := func(now time.Time, data ...string) error {
		_, err := OpenPGPSigner(*secretOf(data...), now)
		return err
	}
	ssh := func(data ...string) error {
		_, err := SSHSigner(*secretOf(data...))
		return err
	}
	for says, err := range map[string]error{
		`key "git.asc" is missing: add an armored OpenPGP private key`:                       openpgp(time.Now()),
		`set spec.git.commit.signingKey.type to ssh`:                                         openpgp(time.Now(), "identity", private),
		`set spec.git.commit.signingKey.type to gpg`:                                         ssh("git.asc", secretKey),
		`key "git.asc" isn't one armored OpenPGP key`:                                        openpgp(time.Now(), "git.asc", "hush-hush"),
		`key "git.asc" holds a public key only`:                                              openpgp(time.Now(), "git.asc", k.gpg("--export", "--armor")),
		`key "git.asc" is locked and key "passphrase" is missing: add it`:                    openpgp(time.Now(), "git.asc", locked.secret("--export-secret-keys", signingPassphrase)),
		`key "git.asc" isn't opened by key "passphrase": correct it`:                         openpgp(time.Now(), "git.asc", locked.secret("--export-secret-keys", signingPassphrase), "passphrase", "hush-hush"),
		`key "git.asc" can't sign: it has expired, is revoked, or isn't for signing`:         openpgp(after, "git.asc", expired.secret("--export-secret-keys", "")),
		`key "identity" is missing: add an SSH private key`:                                  ssh(),
		`key "identity" isn't an SSH private key`:                                            ssh("identity", "hush-hush"),
		`key "identity" isn't an SSH private key (ssh-keygen`:                                ssh("identity", publicSSH),
		`key "identity" is locked and key "password" is missing: add it`:                     ssh("identity", lockedSSH),
		`key "identity" isn't opened by key "password": correct it`:                          ssh("identity", lockedSSH, "password", "hush-hush"),
		`key "identity" can't sign commits: use ed25519, ecdsa, or rsa of 2048 bits or more`: ssh("identity", smallSSH),
	} {
		g := NewWithT(t)
		g.Expect(err).To(MatchError(ErrBadSecret), says)
		g.Expect(err).To(MatchError(ContainSubstring(says)))
		g.Expect(err.Error()).NotTo(Or(ContainSubstring("hush-hush"), ContainSubstring(signingPassphrase), ContainSubstring("\n")))
	}
	NewWithT(t).Expect(openpgp(time.Now(), "git.asc", split.secret("--export-secret-subkeys", ""))).To(Succeed(), "of several subkeys, the newest signs")
}

func TestNothingIsCommittedUnsignedWhenTheKeyFails(t *testing.T) {
	g := NewWithT(t)
	s := newStage(t)
	before := s.log()
	signed := request("CommitCutover", SetTarget("orders", "orders-17"))
	signed.Signer = refusing{}
	_, err := s.open().Commit(t.Context(), signed)
	g.Expect(err).To(MatchError(ErrBadSecret))
	g.Expect(s.log()).To(Equal(before))
}

// refusing is a key that fails when it is to sign, as one does that expires in that moment.
type refusing struct{}

func (refusing) Sign(io.Reader) ([]byte, error) { return nil, errors.New("no valid signing keys") }
