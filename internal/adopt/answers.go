package adopt

import (
	"fmt"
	"slices"
	"strings"
)

// Answers are what a person says; what is empty is found by itself, or asked for.
type Answers struct {
	// Name of the PgUpgrade and the PgProxy; Namespace of the database.
	Name, Namespace string
	// StatefulSet that runs the server, Service that leads to it, and Pooler as deployment/NAME.
	StatefulSet, Service, Pooler string
	// Kustomization of Flux that applies the directory Path of the repository.
	Kustomization, Path string
	// Secret with the superuser's name and password; PushSecret with the right to push.
	Secret, PushSecret string
	// Version that runs, if neither the image's tag nor the server says so.
	Version string
	// AgentImage is Gitover's own image; the one of the controller in the cluster, if it is empty.
	AgentImage string
}

// Choose one of several, or none where it can't be told. The flag is the one that answers.
type Choose func(what, flag string, candidates []string) (string, error)

// Refuse to choose, and say by which flag a person does.
func Refuse(what, flag string, candidates []string) (string, error) {
	if len(candidates) == 0 {
		return "", fmt.Errorf("no %s was found; name it by --%s", what, flag)
	}
	return "", fmt.Errorf("there are several candidates for the %s (%s); name one by --%s", what, strings.Join(candidates, ", "), flag)
}

// pick what a person named, the only candidate, or what is chosen. All are the names that exist.
func pick(choose Choose, what, flag, named string, candidates, all []string) (string, error) {
	if named != "" {
		if !slices.Contains(all, named) {
			slices.Sort(all)
			return "", fmt.Errorf("there is no %s %s; there are: %s", what, named, orNone(all))
		}
		return named, nil
	}
	if len(candidates) == 1 {
		return candidates[0], nil
	}
	slices.Sort(candidates)
	return choose(what, flag, candidates)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
