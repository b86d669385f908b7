package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Binary is an image that holds one static program, an empty /tmp and nothing else.
type Binary struct {
	Name    string // directory under the image cache
	Program string // file on this machine
	Ref     Ref    // without an Entrypoint: /<base name of Program>
}

// BuildBinary writes the image's archive, unless the same program is in it
// already; changed tells which.
func (b Builder) BuildBinary(binary Binary) (changed bool, err error) {
	if binary.Ref.Entrypoint == nil {
		binary.Ref.Entrypoint = []string{"/" + filepath.Base(binary.Program)}
	}
	key, err := binary.key()
	if err != nil {
		return false, fmt.Errorf("image %s: %w", binary.Name, err)
	}
	keyFile := filepath.Join(b.Dir, binary.Name, "key")
	if stored, err := os.ReadFile(keyFile); err == nil && string(stored) == key {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Join(b.Dir, binary.Name), 0o755); err != nil {
		return false, err
	}
	if err := os.RemoveAll(keyFile); err != nil {
		return false, err
	}
	if err := writeArchive(b.Archive(binary.Name), binary.files, []Ref{binary.Ref}); err != nil {
		return false, fmt.Errorf("image %s: %w", binary.Name, err)
	}
	return true, os.WriteFile(keyFile, []byte(key), 0o644)
}

func (b Binary) key() (string, error) {
	hash := sha256.New()
	if err := json.NewEncoder(hash).Encode(b.Ref); err != nil {
		return "", err
	}
	file, err := os.Open(b.Program)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (b Binary) files(layer *tar.Writer) error {
	tmp := &tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: epoch}
	if err := layer.WriteHeader(tmp); err != nil {
		return err
	}
	content, err := os.ReadFile(b.Program)
	if err != nil {
		return err
	}
	return writeFile(layer, filepath.Base(b.Program), 0o755, content)
}
