package gitops

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

const someSHA = "0123456789abcdef0123456789abcdef01234567"

func FuzzParseRevision(f *testing.F) {
	for _, revision := range []string{someSHA, "main@sha1:" + someSHA, "main/" + someSHA, "sha1:" + someSHA, "a@sha1:b@sha1:" + someSHA, "main@sha256:x", ""} {
		f.Add(revision)
	}
	f.Fuzz(func(t *testing.T, revision string) {
		branch, sha, ok := ParseRevision(revision)
		if ok && (len(sha) != 40 || strings.Trim(sha, "0123456789abcdef") != "" || !strings.HasSuffix(revision, sha) || !strings.HasPrefix(revision, branch)) {
			t.Fatalf("%q gives branch %q, commit %q", revision, branch, sha)
		}
		// Whatever a branch is called, its commit is found.
		if got, sha, ok := ParseRevision(revision + "@sha1:" + someSHA); !ok || got != revision || sha != someSHA {
			t.Fatalf("a branch %q gives %q, %q, %t", revision, got, sha, ok)
		}
	})
}

func FuzzFieldPath(f *testing.F) {
	for _, field := range []string{"spec.version", `a.example\.org/x`, "images[name=db].tag", "list[0]", "[0][k=v].x", `a\\b`, "a..b", "x.", "[=]"} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		path, err := parseField(field)
		if err != nil {
			if !errors.Is(err, ErrFieldMissing) {
				t.Fatal(err)
			}
			return
		}
		// A document that is made of the path's own steps has a value there.
		leaf := &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagString, Value: "here"}
		root := leaf
		for i := len(path) - 1; i >= 0; i-- {
			root = around(root, path[i])
			if root == nil {
				return
			}
		}
		found, err := (document{root}).find(path, true)
		if err != nil || found != leaf {
			t.Fatalf("%q is read as %+v, which finds %v (%v)", field, path, found, err)
		}
	})
}

// around builds what a step of a path looks for, with the given node inside; nil if it can't be.
func around(node *yaml.Node, step segment) *yaml.Node {
	text := func(s string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: yaml.NodeTagString, Value: s}
	}
	switch step.kind {
	case 'k':
		return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("other"), text("x"), text(step.key), node}}
	case 'i':
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for range step.index {
			list.Content = append(list.Content, text("x"))
		}
		list.Content = append(list.Content, node)
		return list
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	node.Content = append(node.Content, text(step.key), text(step.equals))
	for i := 0; i+2 < len(node.Content); i += 2 {
		if node.Content[i].Value == step.key {
			return nil // the list's key is the very field that is looked for
		}
	}
	return &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{text("x"), node}}
}

func FuzzFieldValue(f *testing.F) {
	f.Add([]byte("image: {tag: '17'}\n---\na: &x [1]\nb: *x\n"), "image.tag")
	f.Add([]byte("a: &a [*a]\n"), "a[0][0]")
	f.Add([]byte("a: &a {b: *a, <<: *a}\n"), "a.b.b.b")
	f.Add([]byte("\ufeffa:\t1\r\nb: |\r\n  x\r\n"), "b")
	f.Fuzz(func(t *testing.T, file []byte, field string) {
		value, err := FieldValue(file, field)
		switch {
		case err == nil && value == "":
			t.Fatalf("%q is empty and no error", field)
		case err != nil && !errors.Is(err, ErrBadFile) && !errors.Is(err, ErrFieldMissing) && !errors.Is(err, ErrAmbiguous):
			t.Fatalf("an error of no kind: %v", err)
		case err != nil && !utf8.ValidString(err.Error()):
			t.Fatalf("an error that no status can hold: %q", err)
		}
		// Reading a file for what a commit changed in it ends, and doesn't fail where this reads.
		if _, leaves := valuesOf(file); err == nil && leaves != nil {
			t.Fatalf("a field can be read, its leaves can't: %v", leaves)
		}
	})
}

func FuzzCleanDirectory(f *testing.F) {
	for _, directory := range []string{"./apps/orders/", "../x", "a/../../b", "/etc", ".git/hooks", "a/.GIT/x", "a\\..\\b", "a\n", "", "."} {
		f.Add(directory)
	}
	f.Fuzz(func(t *testing.T, directory string) {
		cleaned, err := CleanDirectory(directory)
		if err != nil {
			return
		}
		for part := range strings.SplitSeq(cleaned, "/") {
			if part == ".." || strings.EqualFold(part, ".git") || part == "" && cleaned != "" {
				t.Fatalf("%q becomes %q", directory, cleaned)
			}
		}
		if again, err := CleanDirectory(cleaned); err != nil || again != cleaned {
			t.Fatalf("%q becomes %q, which becomes %q (%v)", directory, cleaned, again, err)
		}
	})
}

// FuzzRepositoryURL: whatever a URL and a Secret hold, no message shows the password.
func FuzzRepositoryURL(f *testing.F) {
	f.Add("https://user:pass-word@host/x", "pass-word")
	f.Add("ssh://git@host:22/x.git", "hush-hush")
	f.Add("https://host/%zz", "s3cr3t-s3cr3t")
	f.Fuzz(func(t *testing.T, address, password string) {
		if len(password) < 8 || strings.Contains(address, password) {
			return
		}
		secret := Secret{Namespace: "n", Name: "push", Data: map[string][]byte{"username": []byte("u"), "password": []byte(password)}}
		access, err := NewAccess(address, "main", &secret)
		said := access.String()
		if err != nil {
			said = err.Error()
		} else {
			said += access.redact("fatal: could not read from " + password + "@host")
		}
		if strings.Contains(said, password) && !strings.Contains("fatal: could not read from ***@host "+secret.String(), password) {
			t.Fatalf("%q shows the password", said)
		}
	})
}

// FuzzBuild: a repository with any kustomization either builds or is refused, and is
// never asked for anything outside.
func FuzzBuild(f *testing.F) {
	f.Add([]byte("resources: [pod.yaml]\nnameSuffix: -17\n"), []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"))
	f.Add([]byte("resources: [https://host.invalid/x]\n"), []byte("kind: List\nitems: [{}]\n"))
	f.Add([]byte("helmCharts: [{name: x, repo: 'oci://host.invalid/x'}]\n"), []byte("a: &a [*a]\n"))
	f.Add([]byte("resources: [.]\n"), []byte("{}"))
	f.Fuzz(func(t *testing.T, kustomization, resource []byte) {
		tree, err := NewTree(map[string][]byte{"a/kustomization.yaml": kustomization, "a/pod.yaml": resource})
		if err != nil {
			return
		}
		if _, err := tree.Build("a"); err != nil && !errors.Is(err, ErrBuild) && !errors.Is(err, ErrBadFile) && !errors.Is(err, ErrBadPath) && !errors.Is(err, ErrAmbiguous) {
			t.Fatalf("an error of no kind: %v", err)
		}
	})
}

// FuzzInstance: an instance's file says what was asked for, whatever text is in it.
func FuzzInstance(f *testing.F) {
	f.Add("orders", "base", "postgres", "17", "team", "a: b", "- op: remove\n  path: /x\n")
	f.Add("orders", "../x", "ä\n", "{version}", "\x00", "'\"", "{{")
	f.Fuzz(func(t *testing.T, upgrade, base, image, tag, label, annotation, patch string) {
		request := InstanceRequest{Upgrade: upgrade, Version: "17", Base: base, Images: []Image{{Name: image, Tag: tag}},
			Labels: map[string]string{"l": label}, Annotations: map[string]string{"a": annotation}, Patches: []Patch{{Patch: patch}}}
		file, err := RenderInstance(request)
		if err != nil {
			return
		}
		var got instanceFile
		if err := yaml.Unmarshal(file, &got); err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		if len(got.Resources) != 1 || len(got.Images) != 1 || got.Images[0] != request.Images[0] || got.Labels[0].Pairs["l"] != label || got.Labels[0].Pairs[LabelUpgrade] != upgrade {
			t.Fatalf("%+v comes back as\n%s", request, file)
		}
		if same, err := sameInstance(file, file); err != nil || !same {
			t.Fatalf("the file differs from itself: %v\n%s", err, file)
		}
	})
}
