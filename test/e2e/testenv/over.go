package testenv

import (
	"os"

	"github.com/gitover/gitover/test/e2e/fleet"
)

// putOver lets what the directory Over has take the place of what is there.
func (f AppOptions) putOver(dir string, adapted func(file, content string) (string, string)) fleet.Edit {
	return func(clone string) error {
		if f.Over == "" {
			return nil
		}
		entries, err := os.ReadDir(f.Over)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := fleet.Remove(dir + "/" + entry.Name())(clone); err != nil {
				return err
			}
		}
		return fleet.Copy(f.Over, dir, adapted)(clone)
	}
}
