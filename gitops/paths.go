package gitops

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	fluxgit "github.com/fluxcd/pkg/git"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
)

const (
	// The largest manifest, in bytes.
	fileLimit = 1 << 20
	// All files that one build reads together, in bytes; a file that is read twice counts twice.
	buildLimit = 32 << 20
	// Files below one directory that are looked at.
	filesLimit = 10000
)

// CleanDirectory gives the form of a directory of the repository that the other
// functions use: "./apps/orders/" is "apps/orders", "./" and "" are "". One that leaves
// the repository, enters .git, or begins or ends with a space is ErrBadPath.
func CleanDirectory(directory string) (string, error) {
	cleaned := path.Clean(directory)
	if strings.HasPrefix(directory, "/") {
		return "", failure(ErrBadPath, "directory %q is absolute: give it relative to the repository", Printable(directory, 200))
	}
	if cleaned == "." {
		return "", nil
	}
	if strings.TrimSpace(cleaned) != cleaned {
		return "", failure(ErrBadPath, "directory %q begins or ends with a space: remove it", Printable(directory, 200))
	}
	return cleaned, checkPath(cleaned)
}

// checkPath refuses every path that isn't plainly a file or directory below the root.
func checkPath(name string) error {
	refuse := func(why string) error {
		return failure(ErrBadPath, "path %q %s", Printable(name, 200), why)
	}
	switch {
	case name == "" || name == ".":
		return refuse("is empty")
	case len(name) > 4096 || !utf8.ValidString(name) || strings.ContainsRune(name, '\\') || strings.IndexFunc(name, unicode.IsControl) >= 0:
		return refuse("isn't a plain path")
	case strings.HasPrefix(name, "/") || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../"):
		return refuse("leaves its directory or isn't in its shortest form")
	}
	for component := range strings.SplitSeq(name, "/") {
		bare := strings.ToLower(strings.TrimRight(component, ". "))
		if bare == ".git" || bare == "git~1" || strings.HasPrefix(bare, ".git:") || len(component) > 255 {
			return refuse("isn't allowed in Git")
		}
	}
	return nil
}

// SameRepository says whether two URLs lead to one repository, as far as their texts tell: they may differ in scheme, user,
// the case of the host, the scheme's default port, and a trailing slash or .git. Text that is no URL equals only itself. It
// can't tell that a server has one repository under two paths or two names.
func SameRepository(one, two string) bool {
	return one == two || repositoryOf(one) == repositoryOf(two)
}

// place of a repository.
type place struct{ host, port, path, query string }

func repositoryOf(text string) place {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Hostname() == "" {
		return place{path: text}
	}
	p := place{host: strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), port: u.Port(), query: u.RawQuery + "#" + u.Fragment}
	if p.port == map[string]string{"http": "80", "https": "443", "ssh": "22"}[u.Scheme] {
		p.port = ""
	}
	// Again, for what precedes a last component that is only ".git".
	p.path = path.Clean(strings.TrimSuffix(path.Clean("/"+u.Path), ".git"))
	return p
}

// BranchOf tells which branch of a GitRepository can be written to: spec.ref's
// branch, or a name of the form refs/heads/…; without a ref it is Flux's default,
// master. A commit, tag or semver is ErrBadReference, since nothing can be pushed there.
func BranchOf(repository *sourcev1.GitRepository) (string, error) {
	reference := repository.Spec.Reference
	if reference == nil {
		return fluxgit.DefaultBranch, nil
	}
	name := fmt.Sprintf("GitRepository %s/%s", repository.Namespace, repository.Name)
	if branch, ok := strings.CutPrefix(reference.Name, "refs/heads/"); ok {
		return branch, checkBranch(branch)
	}
	if reference.Commit != "" || reference.Tag != "" || reference.SemVer != "" || reference.Name != "" {
		return "", failure(ErrBadReference, "%s follows a tag or a commit, where nothing can be pushed: set spec.ref.branch", name)
	}
	if reference.Branch == "" {
		return fluxgit.DefaultBranch, nil
	}
	return reference.Branch, checkBranch(reference.Branch)
}

func checkBranch(branch string) error {
	bad := branch == "" || strings.HasPrefix(branch, "-") || strings.HasPrefix(branch, "/") || strings.HasSuffix(branch, "/") ||
		strings.HasSuffix(branch, ".lock") || strings.Contains(branch, "..") || strings.Contains(branch, "@{") ||
		strings.ContainsAny(branch, " ~^:?*[\\\x7f") || strings.IndexFunc(branch, func(r rune) bool { return r < ' ' }) >= 0
	if bad {
		return failure(ErrBadReference, "%q isn't the name of a branch", Printable(branch, 100))
	}
	return nil
}
