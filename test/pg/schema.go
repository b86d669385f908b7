package pg

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/steps/copy"
)

// UpgradeUID is the PgUpgrade that CopySchema works for.
const UpgradeUID = "5f9c1a3e-0000-4000-8000-00000000abcd"

// CopySchema does what the schema Job of a phase does, by the very script and environment
// of the Job, and fails the test when it fails.
func CopySchema(t testing.TB, phase copy.Phase, blue, green *Server, database string) string {
	t.Helper()
	return CopySchemaInto(t, phase, blue, green, database, nil)
}

// CopySchemaInto is CopySchema with tablespaces in the place of blue's.
func CopySchemaInto(t testing.TB, phase copy.Phase, blue, green *Server, database string, tablespaces map[string]string) string {
	t.Helper()
	out, err := schemaJob(t, phase, blue, green, database, tablespaces).CombinedOutput()
	if err != nil {
		t.Fatalf("%s of %q: %v\n%s", phase, database, err, out)
	}
	return string(out)
}

// SchemaJob prepares the container of the schema Job as a process.
func SchemaJob(t testing.TB, phase copy.Phase, blue, green *Server, database string) *exec.Cmd {
	t.Helper()
	return schemaJob(t, phase, blue, green, database, nil)
}

func schemaJob(t testing.TB, phase copy.Phase, blue, green *Server, database string, tablespaces map[string]string) *exec.Cmd {
	tools := blue.Major
	if copy.ToolsFromGreen(blue.Major, green.Major) {
		tools = green.Major
	}
	job := copy.Job(copy.Request{
		UpgradeUID: UpgradeUID, Phase: phase, Database: database, Blue: blue.side("blue"), Green: green.side("green"), Tablespaces: tablespaces,
	})
	container := job.Spec.Template.Spec.Containers[0]
	env := []string{}
	for _, v := range container.Env {
		value := plain(v.Value)
		if v.ValueFrom != nil {
			value = Password
		}
		env = append(env, v.Name+"="+value)
	}
	command := []string{}
	for _, word := range container.Command {
		command = append(command, plain(word))
	}
	return Program(t.Context(), t, tools, env, command...)
}

// plain undoes the escaping that Kubernetes undoes; no variable is referenced.
func plain(s string) string { return strings.ReplaceAll(s, "$$", "$") }

func (s *Server) side(name string) copy.Side {
	return copy.Side{Host: s.Host, Port: s.Port, User: s.User, SSLMode: s.SSLMode, CA: s.CA, Password: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: fmt.Sprint(name, "-password")}, Key: "password",
	}}
}
