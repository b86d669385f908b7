package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gitover/gitover/test/cluster/run"
)

// mirror is the Debian archive that packages come from: the one that
// STAGE_APT_MIRROR names, or the one that this machine's own apt uses. The
// security archive has the same URL with -security at the end.
func mirror(ctx context.Context) (string, error) {
	if named := os.Getenv("STAGE_APT_MIRROR"); named != "" {
		return strings.TrimSuffix(named, "/"), nil
	}
	out, err := run.Output(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages")
	if err != nil {
		return "", fmt.Errorf("asking apt for this machine's mirror: %w", err)
	}
	return debianArchive(strings.Fields(out))
}

// debianArchive finds the main archive among apt's repositories.
func debianArchive(repositories []string) (string, error) {
	for _, repository := range repositories {
		if url := strings.TrimSuffix(repository, "/"); strings.HasSuffix(url, "/debian") {
			return url, nil
		}
	}
	return "", errors.New("apt's sources name no Debian archive: set STAGE_APT_MIRROR to the URL of one, as in http://…/debian")
}
