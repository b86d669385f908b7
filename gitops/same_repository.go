package gitops

import (
	"net/url"
	"path"
	"strings"
)

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
