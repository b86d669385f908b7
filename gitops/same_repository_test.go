package gitops

import (
	"net/url"
	"strings"
	"testing"
)

func TestOneRepositoryHasManyURLs(t *testing.T) {
	const fleet = "https://github.com/org/fleet"
	for _, other := range []string{
		fleet, fleet + "/", fleet + ".git", fleet + ".git/", " " + fleet + " ", "https://GitHub.com/org/fleet",
		"https://github.com:443/org/fleet", "https://github.com./org/fleet", "https://github.com:/org/fleet",
		"http://github.com/org/fleet", "http://github.com:80/org/fleet", "HTTPS://github.com/org/fleet",
		"https://ada:secret@github.com/org/fleet", "https://github.com//org/fleet", "https://github.com/org/%66leet",
		"ssh://git@github.com/org/fleet.git", "ssh://git@github.com:22/org/fleet", "ssh://github.com/org/fleet",
	} {
		if !SameRepository(fleet, other) || !SameRepository(other, fleet) {
			t.Errorf("%s is another repository than %s", other, fleet)
		}
	}
	for _, other := range []string{
		"https://github.com/org/fleet2", "https://github.com/Org/fleet", "https://github.com/org", "https://github.com",
		"https://gitlab.com/org/fleet", "https://github.com/org/fleet/wiki", "https://github.com:8443/org/fleet", "ssh://git@github.com:2222/org/fleet",
		"https://github.com:22/org/fleet", "ssh://github.com:443/org/fleet", "https://github.com/org/fleet?x=1", "https://github.com/org/.git/fleet",
	} {
		if SameRepository(fleet, other) || SameRepository(other, fleet) {
			t.Errorf("%s is the same repository as %s", other, fleet)
		}
	}
	if !SameRepository("https://[2001:DB8::1]/fleet", "ssh://git@[2001:db8::1]:22/fleet.git") || SameRepository("https://[::1]:8443/fleet", "https://[::1]/fleet") {
		t.Error("addresses of IPv6 aren't compared as names are")
	}
}

// What can't be read as a URL is a repository of its own.
func TestWhatIsNoURLEqualsOnlyItself(t *testing.T) {
	for _, text := range []string{"", "fleet", "https://", "git@github.com:org/fleet", "https://github.com:port/org/fleet", "%zz"} {
		if !SameRepository(text, text) {
			t.Errorf("%q isn't itself", text)
		}
		if SameRepository(text, "https://github.com/org/fleet") || SameRepository(text, text+"x") {
			t.Errorf("%q is another one", text)
		}
	}
}

func FuzzSameRepository(f *testing.F) {
	for _, seed := range []string{"https://github.com/org/fleet.git", "ssh://git@GitHub.com:22/org/fleet/", "http://[::1]:80/x.git.git/.git", "https://h/%2F..%2e/a%20b?q#f", "git@h:x", "https://h:/"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if !SameRepository(one, one) || SameRepository(one, two) != SameRepository(two, one) {
			t.Fatalf("%q and %q", one, two)
		}
		parsed, err := url.Parse(strings.TrimSpace(one))
		if err != nil || parsed.Hostname() == "" || strings.HasSuffix(parsed.Host, ":") {
			return
		}
		// What doesn't lead elsewhere doesn't count.
		for what, change := range map[string]func(*url.URL){
			"user":   func(u *url.URL) { u.User = url.UserPassword("ada", "secret") },
			"slash":  func(u *url.URL) { *u = *u.JoinPath("/") },
			"scheme": func(u *url.URL) { u.Scheme = strings.ToUpper(u.Scheme) },
		} {
			spelt := *parsed
			change(&spelt)
			if !SameRepository(parsed.String(), spelt.String()) {
				t.Fatalf("%s: %q and %q", what, parsed, &spelt)
			}
		}
		// What does, counts.
		for what, change := range map[string]func(*url.URL){
			"host": func(u *url.URL) { u.Host = "x" + u.Host },
			"path": func(u *url.URL) { *u = *u.JoinPath("x") },
		} {
			elsewhere := *parsed
			if change(&elsewhere); strings.HasPrefix(parsed.Host, "[") && what == "host" {
				continue
			}
			if SameRepository(parsed.String(), elsewhere.String()) {
				t.Fatalf("%s: %q and %q", what, parsed, &elsewhere)
			}
		}
	})
}
