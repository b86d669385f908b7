package copy_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/steps/copy"
)

var update = flag.Bool("update", false, "write golden files")

func request() copy.Request {
	controller := true
	return copy.Request{
		Tablespaces: map[string]string{"fast": "quick"},
		Namespace:   "shop",
		Owner: metav1.OwnerReference{APIVersion: "gitover.dev/v1alpha1", Kind: "PgUpgrade", Name: "orders",
			UID: "5f9c1a3e-0000-4000-8000-00000000abcd", Controller: &controller},
		Labels:     map[string]string{"gitover.dev/upgrade": "orders"},
		UpgradeUID: "5f9c1a3e-0000-4000-8000-00000000abcd", Run: "orders-15-to-orders-17-t4x2",
		Phase: copy.PreData, Database: "orders $(GREEN_PGPASSWORD)", Attempt: 1,
		Blue: copy.Side{Host: "orders-15", Port: 5432, User: "postgres", Password: key("orders-15-superuser")},
		Green: copy.Side{Host: "orders-17", Port: 5432, User: "postgres", Password: key("orders-17-superuser"), SSLMode: "verify-full",
			CA: []byte("-----BEGIN CERTIFICATE-----\n…\n")},
		Image: "postgres:17.6",
	}
}

func key(secret string) *corev1.SecretKeySelector {
	return &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: "password"}
}

func TestTheJobIsWhatTheGoldenFileSays(t *testing.T) {
	job := copy.Job(request())
	command := job.Spec.Template.Spec.Containers[0].Command
	if command[2] != strings.ReplaceAll(copy.Script, "$", "$$") {
		t.Error("the script isn't the command")
	}
	command[2] = "(schema.sh)"
	for i, v := range job.Spec.Template.Spec.Containers[0].Env {
		switch v.Name {
		case "GITOVER_IDENTITY_SQL":
			job.Spec.Template.Spec.Containers[0].Env[i].Value = "(identity.sql)"
		case "GITOVER_EXTENSIONS_SQL":
			job.Spec.Template.Spec.Containers[0].Env[i].Value = "(extensions.sql)"
		}
	}
	isGolden(t, job, "testdata/job.yaml")
}

// isGolden compares a Job with a file.
func isGolden(t *testing.T, job *batchv1.Job, golden string) {
	t.Helper()
	got, err := yaml.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("differs from %s (go test -update writes it):\n%s", golden, got)
	}
}

func TestAJobsNameTellsItsWorkApart(t *testing.T) {
	names := map[string]bool{}
	for _, change := range []func(*copy.Request){
		func(*copy.Request) {},
		func(r *copy.Request) { r.Phase = copy.PostData },
		func(r *copy.Request) { r.Database = "other" },
		func(r *copy.Request) { r.Attempt++ },
		func(r *copy.Request) { r.Run = "orders-15-to-orders-17-t4x3" },
		func(r *copy.Request) { r.UpgradeUID = "other" },
	} {
		r := request()
		change(&r)
		name := copy.Job(r).Name
		if len(name) > 63 || names[name] {
			t.Errorf("name %q is too long or not unique", name)
		}
		names[name] = true
	}
	if again := copy.Job(request()).Name; !names[again] {
		t.Errorf("the same work is called %q now", again)
	}
}

func TestTheNewerServersProgramsAreUsed(t *testing.T) {
	if !copy.ToolsFromGreen(15, 17) || copy.ToolsFromGreen(17, 15) {
		t.Error("pg_dump refuses servers newer than itself")
	}
}
