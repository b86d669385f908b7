package testenv

import (
	"encoding/base64"
	"net/url"
	"testing"
)

// A secret is found in each form in which it could show, and nothing else is taken for one.
func TestASecretIsFoundInEveryForm(t *testing.T) {
	const password = "p&ss/w+rd=1"
	s, ok := secretOf("orders-superuser/password", password)
	if !ok {
		t.Fatal("not looked for")
	}
	for form, text := range map[string]string{
		"plain":            "FATAL: password " + password + " is wrong",
		"base64":           `{"data":{"password":"` + base64.StdEncoding.EncodeToString([]byte(password)) + `"}}`,
		"base64 of a line": base64.StdEncoding.EncodeToString([]byte(password + "\n")),
		"in a query":       "https://git.example.com/?token=" + url.QueryEscape(password),
		"in a URL":         "postgres://postgres:" + url.PathEscape(password) + "@orders-15",
	} {
		if shown := ShowIn(text, []Secret{s}); len(shown) != 1 || shown[0] != "orders-superuser/password" {
			t.Errorf("%s: %v", form, shown)
		}
	}
	if shown := ShowIn("password of user postgres, p&ss", []Secret{s}); len(shown) > 0 {
		t.Errorf("taken for a secret: %v", shown)
	}
	key, _ := secretOf("orders-gitover-controller/ca.key", "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIEvnXKQtJbUJ3YjOcbsYzcGs0bqRz3Cq0lQj5oAoGCCqGSM49\n-----END EC PRIVATE KEY-----\n")
	if len(ShowIn(`"MHcCAQEEIIEvnXKQtJbUJ3YjOcbsYzcGs0bqRz3Cq0lQj5oAoGCCqGSM49"`, []Secret{key})) != 1 {
		t.Error("a line of a private key isn't found")
	}
	if len(ShowIn("-----BEGIN EC PRIVATE KEY-----", []Secret{key})) != 0 {
		t.Error("the frame of a key is taken for one")
	}
	if _, ok := secretOf("short", "abc"); ok {
		t.Error("a word of three letters is looked for everywhere")
	}
}
