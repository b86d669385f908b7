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

// Binary is an image that holds static programs, an empty /tmp and nothing else.
type Binary struct {
	Name    string   // directory under the image cache
	Program string   // file on this machine
	Beside  []string // more programs of this machine, in the same directory of the image
	Links   []string // other places of the first program in the image
	Ref     Ref      // without an Entrypoint: /<base name of Program>
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
	for _, link := range b.Links {
		fmt.Fprintln(hash, link)
	}
	for _, program := range b.programs() {
		if err := addFile(hash, program); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (b Binary) programs() []string { return append([]string{b.Program}, b.Beside...) }

func addFile(hash io.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(hash, file)
	return err
}

func (b Binary) files(layer *tar.Writer) error {
	tmp := &tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777, ModTime: epoch}
	if err := layer.WriteHeader(tmp); err != nil {
		return err
	}
	for _, program := range b.programs() {
		content, err := os.ReadFile(program)
		if err != nil {
			return err
		}
		if err := writeFile(layer, filepath.Base(program), 0o755, content); err != nil {
			return err
		}
	}
	for _, link := range b.Links {
		header := &tar.Header{Name: link, Linkname: filepath.Base(b.Program), Typeflag: tar.TypeLink, Mode: 0o755, ModTime: epoch}
		if err := layer.WriteHeader(header); err != nil {
			return err
		}
	}
	return nil
}
