package fleet

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Edit changes files below the work tree.
type Edit func(dir string) error

// All of several edits, in order.
func All(edits ...Edit) Edit {
	return func(dir string) error {
		for _, edit := range edits {
			if err := edit(dir); err != nil {
				return err
			}
		}
		return nil
	}
}

// Replace the one occurrence of a text in a file; none or several is an error, since then
// the edit would not be what the team meant.
func Replace(file, from, to string) Edit {
	return func(dir string) error {
		content, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		if n := strings.Count(string(content), from); n != 1 {
			return fmt.Errorf("%s has %q %d times, not once", file, from, n)
		}
		return os.WriteFile(filepath.Join(dir, file), []byte(strings.Replace(string(content), from, to, 1)), 0o644)
	}
}

// Write a whole file.
func Write(file, content string) Edit {
	return func(dir string) error {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(content), 0o644)
	}
}

// Remove a file or directory.
func Remove(path string) Edit {
	return func(dir string) error { return os.RemoveAll(filepath.Join(dir, path)) }
}

// Move a file.
func Move(from, to string) Edit {
	return func(dir string) error {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, to)), 0o755); err != nil {
			return err
		}
		return os.Rename(filepath.Join(dir, from), filepath.Join(dir, to))
	}
}

// Copy a directory of this machine to a directory of the repository, passing the name and
// the content of each file through change.
func Copy(from, to string, change func(file, content string) (string, string)) Edit {
	return func(dir string) error {
		return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			name, text := change(name, string(content))
			return Write(filepath.Join(to, name), text)(dir)
		})
	}
}
