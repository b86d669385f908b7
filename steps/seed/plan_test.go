package seed_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/seed"
)

var update = flag.Bool("update", false, "write golden files")

// base is the StatefulSet of the examples, as green has it.
func base(t *testing.T) *appsv1.StatefulSet {
	t.Helper()
	text, err := os.ReadFile("../../examples/fleet/apps/orders/base/statefulset.yaml")
	must(t, err)
	set := &appsv1.StatefulSet{}
	must(t, yaml.Unmarshal(text, set))
	set.Name = "orders-17"
	set.Spec.Selector.MatchLabels["gitover.dev/upgrade"] = "orders"
	set.Spec.Selector.MatchLabels["gitover.dev/instance"] = "orders-17"
	set.Spec.Template.Spec.Containers[0].Image = "postgres:17"
	return set
}

func first(template corev1.PodTemplateSpec) string { return template.Spec.Containers[0].Image }

func request(t *testing.T, set *appsv1.StatefulSet) seed.Request {
	t.Helper()
	plan, err := seed.PlanOf(set, first)
	must(t, err)
	return seed.Request{
		Namespace: "shop", Plan: plan, BlueImage: "postgres:15", UpgradeUID: "5f9c1a3e", Attempt: 1,
		Owner:  metav1.OwnerReference{APIVersion: "gitover.dev/v1alpha1", Kind: "PgUpgrade", Name: "orders", UID: "5f9c1a3e", Controller: ptr.To(true)},
		Labels: map[string]string{"gitover.dev/upgrade": "orders"},
		Input: seed.Input{Run: run, Databases: []string{"orders $(BLUE_PGPASSWORD)"}, BlueMajor: 15, Application: "gitover_5f9c1a3e", Jobs: 2,
			Blue: postgres.Server{Host: "orders-15", Port: 5432, User: "postgres", Password: "secret", MaintenanceDatabase: "postgres"}},
		Password: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "orders-superuser"}, Key: "password"},
	}
}

func TestTheJobIsWhatTheGoldenFileSays(t *testing.T) {
	r := request(t, base(t))
	job, err := seed.Job(r)
	must(t, err)
	pod := &job.Spec.Template.Spec
	for _, c := range []*corev1.Container{&pod.InitContainers[0], &pod.Containers[0]} {
		c.Command[2] = "(" + c.Name + ".sh)"
		for i := range c.Env {
			if strings.HasSuffix(c.Env[i].Name, "_SQL") {
				c.Env[i].Value = "(" + c.Env[i].Name + ")"
			}
		}
	}
	got, err := yaml.Marshal(job)
	must(t, err)
	claim, err := yaml.Marshal(r.Plan.Claim("shop"))
	must(t, err)
	got = append(append(got, "---\n"...), claim...)
	if strings.Contains(string(got), "secret\n") {
		t.Error("the password is in it")
	}
	const golden = "testdata/job.yaml"
	if *update {
		must(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if string(got) != string(want) {
		t.Errorf("differs from %s (go test -update writes it):\n%s", golden, got)
	}
}

func TestManifestsThatLeaveSomethingOpenAreRefusedInASentence(t *testing.T) {
	container := func(s *appsv1.StatefulSet) *corev1.Container { return &s.Spec.Template.Spec.Containers[0] }
	for words, change := range map[string]func(*appsv1.StatefulSet){
		"has 2 replicas":                func(s *appsv1.StatefulSet) { s.Spec.Replicas = ptr.To(int32(2)) },
		"doesn't set PGDATA":            func(s *appsv1.StatefulSet) { container(s).Env = nil },
		"doesn't set securityContext":   func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.SecurityContext = nil },
		"isn't a directory below":       func(s *appsv1.StatefulSet) { container(s).VolumeMounts[0].MountPath += "/pgdata" },
		"below the mount of a volume c": func(s *appsv1.StatefulSet) { s.Spec.VolumeClaimTemplates = nil },
	} {
		set := base(t)
		change(set)
		_, err := seed.PlanOf(set, first)
		if !errors.Is(err, seed.ErrUnsuitable) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

func TestAJobsNameTellsItsWorkApart(t *testing.T) {
	names := map[string]bool{}
	for _, name := range []string{seed.JobName("u", "r", 0), seed.JobName("u", "r", 1), seed.JobName("u", "s", 0), seed.JobName("v", "r", 0)} {
		if len(name) > 63 || names[name] {
			t.Errorf("name %q is too long or not unique", name)
		}
		names[name] = true
	}
}
