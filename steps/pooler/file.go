package pooler

import (
	"errors"
	"os"
	"path/filepath"
)

// Write writes content to path, durably and atomically: a reader finds the whole old file or
// the whole new one.
func Write(path string, content []byte) error {
	if err := Prepare(path, content); err != nil {
		return err
	}
	if err := Promote(path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Prepare writes content beside path, durably, for Promote.
func Prepare(path string, content []byte) error {
	f, err := os.OpenFile(path+".next", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644) //nolint:gosec // the proxy reads it, as another user
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Promote replaces path with the file that Prepare wrote, by a rename only.
func Promote(path string) error { return os.Rename(path+".next", path) }
