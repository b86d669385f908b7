package testenv

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Secret is a value that must show nowhere but where docs/security.md says, in each form in
// which it could.
type Secret struct {
	// Name says where it is kept.
	Name  string
	forms []string
}

// open keys of Secrets: names and certificates are no secrets.
var open = []string{"username", "register-user", "ca.crt", "tls.crt", "known_hosts"}

// shortest secret that is looked for: anything shorter is part of other words.
const shortest = 8

func secretOf(name, value string) (Secret, bool) {
	value = strings.TrimSpace(value)
	if len(value) < shortest {
		return Secret{}, false
	}
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), hex.EncodeToString([]byte(value))}
	for _, text := range []string{value, value + "\n"} {
		forms = append(forms, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "="),
			strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(text)), "="))
	}
	for line := range strings.Lines(value) {
		// of a private key each line is one
		if line = strings.TrimSpace(line); len(line) >= 40 && !strings.HasPrefix(line, "-----") {
			forms = append(forms, line)
		}
	}
	slices.Sort(forms)
	return Secret{Name: name, forms: slices.Compact(forms)}, true
}

var quoted = regexp.MustCompile(`"([^"]*)"`)

// Secrets of an app: all values of its namespace's Secrets, and the password hashes that
// the named instances hold.
func (a *App) Secrets(ctx context.Context, instances ...string) ([]Secret, error) {
	var list corev1.SecretList
	if err := a.Client.List(ctx, &list, client.InNamespace(a.Namespace)); err != nil {
		return nil, err
	}
	var all []Secret
	add := func(name, value string) {
		if s, ok := secretOf(name, value); ok {
			all = append(all, s)
		}
	}
	for _, s := range list.Items {
		for key, value := range s.Data {
			switch {
			case slices.Contains(open, key):
			case key == "userlist.txt":
				for _, pair := range strings.Split(strings.TrimSpace(string(value)), "\n") {
					if words := quoted.FindAllStringSubmatch(pair, -1); len(words) == 2 {
						add(s.Name+"/"+key, words[1][1])
					}
				}
			default:
				add(s.Name+"/"+key, string(value))
			}
		}
	}
	for _, instance := range instances {
		hashes, err := a.Strings(ctx, instance, "postgres", "SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL")
		if err != nil {
			return nil, err
		}
		for _, hash := range hashes {
			add("pg_authid of "+instance, hash)
		}
	}
	return all, nil
}

// ShowIn names the secrets that a text shows, in whatever form.
func ShowIn(text string, secrets []Secret) []string {
	var shown []string
	for _, s := range secrets {
		if slices.ContainsFunc(s.forms, func(form string) bool { return strings.Contains(text, form) }) && !slices.Contains(shown, s.Name) {
			shown = append(shown, s.Name)
		}
	}
	return shown
}
