package access

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops/pullrequest"
	"github.com/gitover/gitover/test/objects"
)

// The App that pushes opens the pull request, too: by a token of its installation, which GitHub's API asks for.
func TestAGitHubAppOpensPullRequests(t *testing.T) {
	suspended := false
	mux := http.NewServeMux()
	mux.HandleFunc("POST /app/installations/7/access_tokens", func(w http.ResponseWriter, _ *http.Request) {
		if suspended {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"message":"This installation has been suspended"}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"token":"ghs_secret","expires_at":%q}`, time.Now().Add(time.Minute).UTC().Format(time.RFC3339))
	})
	mux.HandleFunc("GET /api/v3/repos/org/fleet/pulls/4", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer ghs_secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, `{"number":4,"state":"open"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	u := objects.Upgrade()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: u.Namespace, Name: "app"}, Data: map[string][]byte{
		"githubAppID": []byte("31"), "githubAppInstallationID": []byte("7\n"), "githubAppBaseURL": []byte(server.URL),
		"githubAppPrivateKey": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}}
	u.Spec.Git.PushSecretRef = &v1alpha1.SecretReference{Name: "app"}
	u.Spec.Git.Push = &v1alpha1.PushSpec{Branch: "gitover", PullRequest: &v1alpha1.PullRequestSpec{Provider: "GitHub", Address: server.URL}}
	source := &sourcev1.GitRepository{}
	source.Spec.URL = server.URL + "/org/fleet.git"
	c := fake.NewClientBuilder().WithObjects(secret).Build()
	host, err := PullRequests(t.Context(), c, u, source)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := host.State(t.Context(), 4); err != nil || !state.Open {
		t.Errorf("%+v, %v", state, err)
	}
	suspended = true // and the token is over soon
	_, err = PullRequests(t.Context(), c, u, source)
	if !errors.Is(err, pullrequest.ErrDenied) || !strings.Contains(err.Error(), "the GitHub App of Secret a/app") || !strings.Contains(err.Error(), "suspended") {
		t.Errorf("%v", err)
	}
}
