// Package manifests holds what runs in the stage's cluster from the start.
package manifests

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/gitover/gitover/test/cluster/layout"
)

//go:embed *.yaml
var files embed.FS

// Render returns all manifests, in the order of their file names, with
// ${DNS}, ${GIT} and the given values in their places.
func Render(network layout.Network, values map[string]string) (string, error) {
	pairs := []string{"${DNS}", network.DNS(), "${GIT}", network.Git(), "${NODE}", layout.NodeName}
	for name, value := range values {
		pairs = append(pairs, "${"+name+"}", value)
	}
	replacer := strings.NewReplacer(pairs...)
	var all strings.Builder
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		content, err := files.ReadFile(entry.Name())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&all, "---\n%s", replacer.Replace(string(content)))
	}
	return all.String(), nil
}
