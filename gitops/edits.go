package gitops

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// AddInstance writes an instance's file and adds it to the resources of the
// directory's kustomization. A file that is there and was edited by hand is
// ErrDrift with the difference; nothing is written then. A second run changes nothing.
func AddInstance(request InstanceRequest) Edit {
	return func(tree *Tree) error {
		drift, err := InstanceDrift(tree, request)
		if err != nil {
			return err
		}
		if drift.Edited {
			return failure(ErrDrift, "%s: %v; take the edit back, or move it to the base or to the PgUpgrade's patches:\n%s", request.File(), ErrDrift, drift.Diff)
		}
		return ReplaceInstance(request)(tree)
	}
}

// ReplaceInstance is AddInstance that overwrites what is there.
func ReplaceInstance(request InstanceRequest) Edit {
	return func(tree *Tree) error {
		content, err := RenderInstance(request)
		if err != nil {
			return err
		}
		if err := editKustomization(tree, func(file []byte) ([]byte, error) { return AddResource(file, request.Directory()) }); err != nil {
			return err
		}
		return tree.Write(request.File(), content)
	}
}

// RemoveInstance removes an instance's directory and its entry in the
// directory's kustomization. A second run changes nothing.
func RemoveInstance(version string) Edit {
	return func(tree *Tree) error {
		if !nameLabel.MatchString(version) {
			return failure(ErrBadPath, "%q isn't a version", Printable(version, 60))
		}
		directory := instanceDirectory(version)
		if err := editKustomization(tree, func(file []byte) ([]byte, error) { return RemoveResource(file, directory) }); err != nil {
			return err
		}
		if err := tree.Remove(directory); err != nil && !errors.Is(err, ErrPathMissing) {
			return err
		}
		return nil
	}
}

// SetTarget sets spec.target of a PgProxy and touches only the file that holds it.
func SetTarget(proxy, instance string) Edit {
	return setField("PgProxy", proxy, "spec.target", instance)
}

// SetVersion sets spec.version of a PgUpgrade and touches only the file that holds it.
func SetVersion(upgrade, version string) Edit {
	return setField("PgUpgrade", upgrade, "spec.version", version)
}

func setField(kind, name, field, value string) Edit {
	return func(tree *Tree) error {
		file, err := FindManifest(tree, kind, name)
		if err != nil {
			return err
		}
		before, err := tree.Read(file)
		if err != nil {
			return err
		}
		if is, err := ObjectField(before, kind, name, field); err == nil && strings.Contains(is, "${") {
			return inFile(file, failure(ErrBadFile, "%s is %s, which Flux substitutes: write the value itself there", field, Printable(is, 100)))
		}
		after, err := SetField(before, kind, name, field, value)
		if err != nil {
			return inFile(file, err)
		}
		return tree.Write(file, after)
	}
}

// FindManifest gives the file that holds an object: one directly in the
// directory, else one below it, instances/ and base/ left out. Errors:
// ErrPathMissing, ErrAmbiguous, ErrBadFile (a candidate isn't YAML).
func FindManifest(tree *Tree, kind, name string) (string, error) {
	files, err := tree.Files("")
	if err != nil {
		return "", err
	}
	for _, deep := range []bool{false, true} {
		var found []string
		for _, file := range files {
			if strings.Contains(file, "/") != deep || strings.HasPrefix(file, "instances/") || strings.HasPrefix(file, "base/") ||
				!slices.Contains([]string{".yaml", ".yml"}, path.Ext(file)) {
				continue
			}
			holds, err := holdsObject(tree, file, kind, name)
			if err != nil {
				return "", err
			}
			if holds {
				found = append(found, file)
			}
		}
		if len(found) > 1 {
			return "", failure(ErrAmbiguous, "%s %s is in more than one file (%s): keep one", kind, name, strings.Join(found, ", "))
		}
		if len(found) == 1 {
			return found[0], nil
		}
	}
	return "", failure(ErrPathMissing, "no file of directory %q holds %s %s: correct the directory, or commit the manifest there%s", tree.directory, kind, name, elsewhere(tree, files, kind))
}

// elsewhere says where a kind is mentioned in a way that can't be edited: in a List, a patch inside of a kustomization, a template, or by
// another name.
func elsewhere(tree *Tree, files []string, kind string) string {
	for _, file := range files {
		content, err := tree.Read(file)
		if err != nil || !bytes.Contains(content, []byte(kind)) || strings.HasPrefix(file, "instances/") || strings.HasPrefix(file, "base/") {
			continue
		}
		if names, err := NamesOf(content, kind); err == nil && len(names) > 0 {
			return fmt.Sprintf(". %s holds %s %s: write the name there that it has in the cluster, without namePrefix, nameSuffix or a variable", file, kind, Printable(strings.Join(names, ", "), 200))
		}
		return fmt.Sprintf(". %s mentions a %s, but not as an object of its own: take it out of a List, a template, or a patch inside of a kustomization, into a file that holds the object or a patch of it",
			file, kind)
	}
	return ""
}

func holdsObject(tree *Tree, file, kind, name string) (bool, error) {
	content, err := tree.Read(file)
	if errors.Is(err, ErrBadFile) {
		// Larger than a manifest may be.
		return false, nil
	}
	if err != nil || !bytes.Contains(content, []byte(kind)) {
		return false, err
	}
	documents, err := parse(content)
	if err != nil {
		return false, inFile(file, err)
	}
	return slices.ContainsFunc(documents, func(d document) bool { return d.is(kind, name) }), nil
}

var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// editKustomization changes the directory's kustomization file.
func editKustomization(tree *Tree, edit func([]byte) ([]byte, error)) error {
	name, before := "", []byte(nil)
	for _, candidate := range kustomizationNames {
		content, err := readIfThere(tree, candidate)
		if err != nil {
			return err
		}
		if content == nil {
			continue
		}
		if name != "" {
			return failure(ErrAmbiguous, "directory %q has both %s and %s: keep one", tree.directory, name, candidate)
		}
		name, before = candidate, content
	}
	if name == "" {
		return failure(ErrPathMissing, "directory %q has no kustomization.yaml: commit one that lists its resources", tree.directory)
	}
	after, err := edit(before)
	if err != nil {
		return inFile(path.Join(tree.directory, name), err)
	}
	return tree.Write(name, after)
}

// readIfThere gives nil for a file that isn't there.
func readIfThere(tree *Tree, name string) ([]byte, error) {
	content, err := tree.Read(name)
	if errors.Is(err, ErrPathMissing) {
		return nil, nil
	}
	if err == nil && content == nil {
		content = []byte{}
	}
	return content, err
}
