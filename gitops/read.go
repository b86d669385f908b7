package gitops

import (
	"context"
	"errors"
	"fmt"
)

// ReadFile gives a file's bytes at a revision. Symlinks aren't followed.
// Errors: ErrPathMissing, ErrBadPath, ErrBadFile (larger than 1 MiB), ErrUnknownRevision.
func (r *Repository) ReadFile(ctx context.Context, revision, path string) ([]byte, error) {
	var content []byte
	err := r.View(ctx, revision, "", nil, func(tree *Tree) error {
		path, err := CleanDirectory(path)
		if err != nil {
			return err
		}
		content, err = tree.Read(path)
		return err
	})
	return content, err
}

// ReadField gives the value of a field, such as spec.version or
// postgres.image.tag, from the first document of a file that has it.
// Errors: those of ReadFile and FieldValue; the text names file and field.
func (r *Repository) ReadField(ctx context.Context, revision, path, field string) (string, error) {
	content, err := r.ReadFile(ctx, revision, path)
	if err != nil {
		return "", err
	}
	value, err := FieldValue(content, field)
	return value, inFile(path, err)
}

// inFile adds the file's name to an error.
func inFile(path string, err error) error {
	var known *Error
	if !errors.As(err, &known) {
		return err
	}
	return &Error{kind: known.kind, cause: known.cause, text: fmt.Sprintf("%s: %s", printable(path, 200), known.text)}
}
