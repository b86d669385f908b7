package testenv

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/e2e/fleet"
)

// Name of every database's objects: examples/fleet is used as it is, each in a namespace
// of its own.
const Name = "orders"

// Databases of the applications, on one server.
var Databases = []string{"orders", "billing"}

// AppRole owns them. It is no superuser.
const AppRole = "orders_app"

// App is one directory of the fleet: a PostgreSQL server, its poolers, its PgUpgrade and
// PgProxy, in a namespace of its own.
type App struct {
	*Environment
	Namespace string
	// Dir in the repository.
	Dir string
	// Repository is this team's clone.
	Repository *fleet.Repository

	superuser, application string
	// poolerSecret is what stands for the application's password in the poolers' file.
	poolerSecret string
	addresses    sync.Map
	// instances by their workload's name, where that is another.
	instances map[string]string
	// serviceSuffix of the Services of instances, after their names.
	serviceSuffix string
}

// AppOptions says how an app differs from the example.
type AppOptions struct {
	// Namespace, and the directory below apps/; "orders" is the example itself.
	Namespace string
	// Clone is an empty directory of this machine for the team's clone.
	Clone string
	// Source is the directory of this checkout that is copied; examples/fleet/apps/orders if empty.
	Source string
	// Over is a directory of this checkout whose files and directories take the place of those of Source.
	Over string
	// ServiceSuffix of the instances' Services, after the instances' names.
	ServiceSuffix string
	// Git is a repository of its own, and GitURL the same as pods reach it; the fleet's if nil.
	Git *OwnGit
	// Files beside the example's, by name.
	Files map[string]string
	// SaltedByOthers: something stores another verifier of the application's password on each server, so poolers need the password.
	SaltedByOthers bool
	// Version that it begins with; the example's own, 15, if empty.
	Version string
	// Adopted instances, by their workload's name.
	Adopted map[string]string
	// KeepWAL makes the servers keep theirs, for a WALReader.
	KeepWAL bool
	// Controller, if named, is not the cluster's own: the label OwnController says whose the
	// app's objects are.
	Controller string
	// Change the example's files on their way into the repository.
	Change func(file, content string) string
}

// OwnGit is a repository beside the fleet's.
type OwnGit struct {
	fleet.Remote
	// ClusterURL is the repository as pods reach it.
	ClusterURL string
}

// OwnGit is the repository of this name on the stage's Git server, which must be made first.
func (s Stage) OwnGit(name string) *OwnGit {
	named := func(url string) string { return strings.Replace(url, "fleet.git", name+".git", 1) }
	own := &OwnGit{Remote: s.Git, ClusterURL: named(s.GitURL)}
	own.URL = named(own.URL)
	return own
}

// exampleVersion is what the example begins with.
const exampleVersion = "15"

// Adapt one file of the example to its place in the repository, and to what is asked. Only
// the requests for processors are smaller than the example's: a dozen databases share two.
func (f AppOptions) Adapt(dir, file, content string) (string, string) {
	content = strings.NewReplacer("cpu: 100m", "cpu: 5m", "cpu: 50m", "cpu: 5m").Replace(content)
	content = strings.ReplaceAll(content, "path: apps/orders\n", "path: "+dir+"\n")
	if f.Version != "" {
		file = strings.ReplaceAll(file, "instances/"+exampleVersion, "instances/"+f.Version)
		content = strings.NewReplacer("instances/"+exampleVersion, "instances/"+f.Version, "orders-"+exampleVersion, "orders-"+f.Version,
			`"`+exampleVersion+`"`, `"`+f.Version+`"`, `"-`+exampleVersion+`"`, `"-`+f.Version+`"`, "PostgreSQL "+exampleVersion, "PostgreSQL "+f.Version).Replace(content)
	}
	if f.KeepWAL && filepath.Base(file) == "postgresql.conf" {
		content += "wal_keep_size = 1GB\n"
	}
	if f.KeepWAL && filepath.Base(file) == "cluster.yaml" {
		content = strings.Replace(content, "    parameters:\n", "    parameters:\n      wal_keep_size: 1GB\n", 1)
	}
	if f.Controller != "" && (strings.Contains(content, "kind: PgUpgrade\n") || strings.Contains(content, "kind: PgProxy\n")) {
		content = strings.Replace(content, "  name: orders\n", "  name: orders\n  labels:\n    "+OwnController+": "+f.Controller+"\n", 1)
	}
	if f.Change != nil {
		content = f.Change(file, content)
	}
	return file, content
}

// Found an app: namespace, Secrets, Flux objects, manifests in Git.
func (w *Environment) CreateApp(ctx context.Context, f AppOptions) (*App, error) {
	app := &App{Environment: w, Namespace: f.Namespace, Dir: "apps/" + f.Namespace, superuser: secret(), application: secret(), instances: f.Adopted, serviceSuffix: f.ServiceSuffix}
	app.poolerSecret = app.application
	if !f.SaltedByOthers {
		var err error
		if app.poolerSecret, err = postgres.ScramVerifier(postgres.Password(app.application), "application"); err != nil {
			return nil, err
		}
	}
	if f.Git != nil {
		own := *w
		own.Git, own.GitURL = f.Git.Remote, f.Git.ClusterURL
		app.Environment = &own
	}
	if err := w.Clear(ctx, f.Namespace); err != nil {
		return nil, err
	}
	var err error
	if app.Repository, err = fleet.Clone(ctx, app.Git, f.Clone, fleet.Maintainer); err != nil {
		return nil, err
	}
	if f.Source == "" {
		f.Source = filepath.Join(w.Checkout, "examples", "fleet", "apps", "orders")
	}
	components := filepath.Join(w.Checkout, "examples", "fleet", "apps", "components")
	asIs := func(file, content string) (string, string) { return file, content }
	adapted := func(file, content string) (string, string) { return f.Adapt(app.Dir, file, content) }
	copyIn := fleet.All(fleet.Copy(components, "apps/components", asIs), fleet.Remove(app.Dir), fleet.Copy(f.Source, app.Dir, adapted), f.putOver(app.Dir, adapted), func(dir string) error {
		for file, content := range f.Files {
			if err := fleet.Write(app.Dir+"/"+file, content)(dir); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := app.Repository.Commit(ctx, "Run the database "+f.Namespace, copyIn); err != nil && !errors.Is(err, fleet.ErrNothingChanged) {
		return nil, err
	}
	objects, err := w.Example("fleet", "clusters", "demo", "orders.yaml")
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		app.settle(object)
	}
	if err := w.Apply(ctx, objects[:1]); err != nil { // the namespace
		return nil, err
	}
	if err := app.createSecrets(ctx); err != nil {
		return nil, err
	}
	return app, w.Apply(ctx, objects[1:])
}

// settle one of the example's cluster objects in the app's namespace.
func (a *App) settle(object *unstructured.Unstructured) {
	set := func(value string, path ...string) {
		_ = unstructured.SetNestedField(object.Object, value, path...) // maps all the way: our own example
	}
	switch object.GetKind() {
	case "Namespace":
		object.SetName(a.Namespace)
		return
	case "GitRepository":
		set(a.GitURL, "spec", "url")
	case "Kustomization":
		set("./"+a.Dir, "spec", "path")
		set(a.Namespace, "spec", "targetNamespace")
	}
	object.SetNamespace(a.Namespace)
}

// Commit edits files, pushes, and tells Flux.
func (a *App) Commit(ctx context.Context, message string, edit fleet.Edit) (string, error) {
	sha, err := a.Repository.Commit(ctx, message, edit)
	return sha, errors.Join(err, a.TellFlux(ctx))
}

// Merge a pull request, and tell Flux.
func (a *App) Merge(ctx context.Context, branch, message string, edit fleet.Edit) (string, error) {
	sha, err := a.Repository.Merge(ctx, branch, message, edit)
	return sha, errors.Join(err, a.TellFlux(ctx))
}

// Revert a commit, push, and tell Flux.
func (a *App) Revert(ctx context.Context, sha string) (string, error) {
	head, err := a.Repository.Revert(ctx, sha)
	return head, errors.Join(err, a.TellFlux(ctx))
}

// TellFlux does what the Git server's webhook and a Receiver do after a push: it asks for
// a look at the repository now instead of within the interval.
func (a *App) TellFlux(ctx context.Context) error { return a.TellFluxOf(ctx, "fleet") }

// TellFluxOf a push to the repository of another GitRepository in the app's namespace.
func (a *App) TellFluxOf(ctx context.Context, name string) error {
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: name}}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, meta.ReconcileRequestAnnotation, time.Now().Format(time.RFC3339Nano))
	return a.Client.Patch(ctx, source, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// AwaitStatefulSet waits until an instance's pod is ready.
func (a *App) AwaitStatefulSet(ctx context.Context, name string, patience time.Duration) error {
	return a.Await(ctx, patience, "StatefulSet "+a.Namespace+"/"+name, func(ctx context.Context) (bool, string, error) {
		set, err := a.StatefulSet(ctx, name)
		if err != nil {
			return false, "", err
		}
		state := fmt.Sprintf("%d of %d ready", set.Status.ReadyReplicas, *set.Spec.Replicas)
		if set.Status.ReadyReplicas < *set.Spec.Replicas {
			state += a.podTroubles(ctx, a.Namespace, set.Spec.Selector.MatchLabels)
		}
		return set.Status.ReadyReplicas == *set.Spec.Replicas && set.Status.ObservedGeneration >= set.Generation, state, nil
	})
}

func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
