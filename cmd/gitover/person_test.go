package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
)

// person sits before a terminal, with a kubeconfig for a namespace of a real API server.
type person struct {
	*testing.T
	client.Client
	namespace string
}

func aPerson(t *testing.T) *person {
	t.Helper()
	if api == nil {
		t.Skip("needs GITOVER_INTEGRATION=1 and `make apiserver`")
	}
	c, err := client.New(api, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	p := &person{T: t, Client: c}
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}
	p.must(c.Create(t.Context(), n))
	p.namespace = n.Name
	p.kubeconfig(api)
	for _, variable := range []string{"LC_ALL", "COLUMNS", "NO_COLOR"} {
		t.Setenv(variable, "")
	}
	t.Setenv("LANG", "en_US.UTF-8")
	return p
}

func (p *person) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// kubeconfig of the person from here on.
func (p *person) kubeconfig(config *rest.Config) {
	p.Helper()
	file := clientcmdapi.NewConfig()
	file.Clusters["test"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	file.AuthInfos["me"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken}
	file.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "me", Namespace: p.namespace}
	file.CurrentContext = "test"
	path := filepath.Join(p.TempDir(), "kubeconfig")
	p.must(clientcmd.WriteToFile(*file, path))
	p.Setenv("KUBECONFIG", path)
}

// moment puts the objects of a fixture into the person's namespace, under names for it, as controllers would have left them.
func (p *person) moment(fixture, name string) {
	p.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "internal", "screen", "testdata", fixture+".yaml"))
	p.must(err)
	documents := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(bytes.ReplaceAll(content, []byte("namespace: flux-system"), []byte("namespace: "+p.namespace)))))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		p.must(err)
		var kind struct{ Kind string }
		p.must(yaml.Unmarshal(document, &kind))
		object := map[string]client.Object{"PgUpgrade": &v1alpha1.PgUpgrade{}, "PgProxy": &v1alpha1.PgProxy{}, "GitRepository": &sourcev1.GitRepository{}, "Kustomization": &kustomizev1.Kustomization{}}[kind.Kind]
		p.must(yaml.UnmarshalStrict(document, object))
		object.SetNamespace(p.namespace)
		object.SetUID("")
		switch o := object.(type) {
		case *v1alpha1.PgUpgrade:
			o.Name, o.Spec.ProxyRef.Name, o.Status.ObservedGeneration = name, name, 1
		case *v1alpha1.PgProxy:
			o.Name, o.Spec.UpgradeRef.Name = name, name
		}
		p.createWithStatus(object)
	}
}

func (p *person) createWithStatus(o client.Object) {
	p.Helper()
	withStatus := o.DeepCopyObject().(client.Object)
	if err := p.Create(p.Context(), o); client.IgnoreAlreadyExists(err) != nil {
		p.Fatal(err)
	} else if err != nil {
		return // Flux's objects serve several upgrades
	}
	withStatus.SetResourceVersion(o.GetResourceVersion())
	withStatus.SetUID(o.GetUID())
	p.must(p.Status().Update(p.Context(), withStatus))
}

// sees what a command prints; it must end well.
func (p *person) sees(args ...string) string {
	p.Helper()
	out, code, err := typed(p.T, args...)
	if code != 0 || err != nil {
		p.Fatalf("%v: exit %d, %v", args, code, err)
	}
	return out
}

// refused with this exit code and words, in one line.
func (p *person) refused(code int, words string, args ...string) {
	p.Helper()
	out, got, err := typed(p.T, args...)
	if got != code || err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
		p.Errorf("%v: exit %d, %v; want %d and a line with %q\n%s", args, got, err, code, words, out)
	}
}

func (p *person) has(out string, words ...string) {
	p.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			p.Errorf("%q is missing in\n%s", w, out)
		}
	}
}

// sees with the rights of a Role, as a service account's token gives them.
func (p *person) restricted(rules ...rbacv1.PolicyRule) {
	p.Helper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, GenerateName: "ada-"}}
	p.must(p.Create(p.Context(), sa))
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: sa.Name}, Rules: rules}
	p.must(p.Create(p.Context(), role))
	p.must(p.Create(p.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: sa.Name},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: sa.Name, Namespace: p.namespace}}}))
	c, err := kubernetes.NewForConfig(api)
	p.must(err)
	token, err := c.CoreV1().ServiceAccounts(p.namespace).CreateToken(p.Context(), sa.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	p.must(err)
	p.kubeconfig(&rest.Config{Host: api.Host, BearerToken: token.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: api.CAData}})
}

// background is a command that goes on, and what it has written.
type background struct {
	mu   sync.Mutex
	out  bytes.Buffer
	end  context.CancelFunc
	over chan struct{}
	err  error
}

func (b *background) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *background) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

// fate of a command: the error that it ended with, if it has.
func (b *background) fate() string {
	select {
	case <-b.over:
		return fmt.Sprint("it has ended: ", b.err)
	default:
		return "it goes on"
	}
}

// begins a command that goes on until the test ends it.
func (p *person) begins(args ...string) *background {
	p.Helper()
	ctx, end := context.WithCancel(p.Context())
	b := &background{end: end, over: make(chan struct{})}
	command := root()
	command.SetOut(b)
	command.SetErr(b)
	command.SetArgs(args)
	go func() {
		defer close(b.over)
		b.err = command.ExecuteContext(ctx)
	}()
	p.Cleanup(func() { end(); <-b.over })
	return b
}

// patience with a command. A connection that is dead is noticed after 45 s at most: client-go sends a ping when it has been idle for
// 30 s, and waits for 15 s.
const patience = 90 * time.Second

// await words in what a command writes.
func (p *person) await(b *background, words string) {
	p.Helper()
	for end := time.Now().Add(patience); !strings.Contains(b.String(), words); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("%q never came; there is\n%s%s", words, b, b.fate())
		}
	}
}

// ended says with which code and error a command ended by itself.
func (p *person) ended(b *background) (int, error) {
	p.Helper()
	select {
	case <-b.over:
	case <-time.After(patience):
		p.Fatalf("it doesn't end; it wrote\n%s", b)
	}
	var e *exit
	if errors.As(b.err, &e) {
		return e.code, b.err
	}
	return 0, b.err
}

// changes the status of an upgrade, as a controller does.
func (p *person) changes(name string, change func(*v1alpha1.PgUpgrade)) {
	p.Helper()
	u := &v1alpha1.PgUpgrade{}
	p.must(p.Get(p.Context(), client.ObjectKey{Namespace: p.namespace, Name: name}, u))
	before := u.DeepCopy()
	change(u)
	p.must(p.Status().Patch(p.Context(), u, client.MergeFrom(before)))
}
