package gitops

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// Each case is testdata/<case>/{edit,before,after}; edit holds the call, one word a line.
func TestManifestEditsTouchOnlyWhatTheyMean(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/edit")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		directory := filepath.Dir(file)
		t.Run(filepath.Base(directory), func(t *testing.T) {
			g := NewWithT(t)
			call := strings.Split(strings.TrimSpace(string(content(t, file))), "\n")
			before, after := content(t, filepath.Join(directory, "before")), content(t, filepath.Join(directory, "after"))
			got, err := edited(call, before)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got)).To(Equal(string(after)))
			again, err := edited(call, got)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(again)).To(Equal(string(after)), "a second call changes nothing")
		})
	}
}

func edited(call []string, before []byte) ([]byte, error) {
	switch call[0] {
	case "SetField":
		return SetField(before, call[1], call[2], call[3], call[4])
	case "PutField":
		return PutField(before, call[1], call[2], call[3], call[4])
	case "AddResource":
		return AddResource(before, call[1])
	}
	return RemoveResource(before, call[1])
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAnEditThatCannotBeSafeSaysWhy(t *testing.T) {
	proxy := "kind: PgProxy\nmetadata: {name: orders}\nspec:\n"
	for name, c := range map[string]struct {
		file, says string
		kind       error
	}{
		"anchor":     {proxy + "  target: &t orders-15\n", "anchor", ErrBadFile},
		"alias":      {"x: &t orders-15\n" + proxy + "  target: *t\n", "single value", ErrBadFile},
		"block":      {proxy + "  target: |\n    orders-15\n", "block of text", ErrBadFile},
		"two lines":  {proxy + "  target: \"orders\n    -15\"\n", "several lines", ErrBadFile},
		"empty":      {proxy + "  target:\n", "empty", ErrBadFile},
		"absent":     {proxy + "  other: 1\n", "no field spec.target", ErrPathMissing},
		"twice":      {proxy + "  target: a\n  target: b\n", "twice", ErrBadFile},
		"two of it":  {proxy + "  target: a\n---\n" + proxy + "  target: a\n", "twice", ErrAmbiguous},
		"other name": {strings.Replace(proxy, "orders", "billing", 1) + "  target: a\n", "no PgProxy orders", ErrPathMissing},
		"not yaml":   {"{{ helm }}: [\n", "isn't YAML", ErrBadFile},
		"huge":       {strings.Repeat("#\n", fileLimit), "bytes", ErrBadFile},
		"bomb":       {"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "no PgProxy", ErrPathMissing},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := SetField([]byte(c.file), "PgProxy", "orders", "spec.target", "orders-17")
			g.Expect(errors.Is(err, c.kind)).To(BeTrue(), "%v", err)
			g.Expect(err.Error()).To(ContainSubstring(c.says))
		})
	}
}

func TestAFieldIsReadByItsPath(t *testing.T) {
	g := NewWithT(t)
	file := []byte("a: 1\n---\npostgres: &p\n  image: {tag: '17'}\nother: *p\nlist:\n- {name: db, version: 15}\nmetadata:\n  annotations: {example.org/x: here}\nnothing:\n")
	for field, want := range map[string]string{
		"postgres.image.tag": "17", "other.image.tag": "17", "list[0].version": "15", "list[name=db].version": "15",
		`metadata.annotations.example\.org/x`: "here",
	} {
		got, err := FieldValue(file, field)
		g.Expect(err).NotTo(HaveOccurred(), field)
		g.Expect(got).To(Equal(want), field)
	}
	for field, kind := range map[string]error{
		"postgres": ErrBadFile, "nothing": ErrFieldMissing, "no.such": ErrFieldMissing, "a.": ErrFieldMissing, "": ErrFieldMissing,
		"list[7].version": ErrFieldMissing, "..": ErrFieldMissing,
	} {
		_, err := FieldValue(file, field)
		g.Expect(errors.Is(err, kind)).To(BeTrue(), "%s: %v", field, err)
	}
}

func TestAFieldIsOnlyAddedWhereItCanBeDoneSafely(t *testing.T) {
	for _, c := range []struct{ story, file, says string }{
		{"a mapping in braces", "kind: PgUpgrade\nmetadata: {name: orders}\nspec: {version: \"15\"}\n", "by hand"},
		{"an empty mapping", "kind: PgUpgrade\nmetadata: {name: orders}\nspec: {}\n", "by hand"},
		{"an alias", "kind: PgUpgrade\nmetadata: {name: orders}\nbase: &b\n  version: \"15\"\nspec: *b\n", "alias"},
		{"another object", "kind: PgUpgrade\nmetadata: {name: stock}\nspec:\n  version: \"15\"\n", "no PgUpgrade orders"},
	} {
		t.Run(c.story, func(t *testing.T) {
			if _, err := PutField([]byte(c.file), "PgUpgrade", "orders", "spec.suspend", "true"); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func FuzzPutField(f *testing.F) {
	f.Add([]byte("kind: PgUpgrade\nmetadata:\n  name: orders\nspec:\n  version: \"15\"\n"), "spec.soak.finalizedVersion", "17")
	f.Fuzz(func(t *testing.T, file []byte, field, value string) {
		got, err := PutField(file, "PgUpgrade", "orders", field, value)
		if err != nil {
			return
		}
		if again, err := PutField(got, "PgUpgrade", "orders", field, value); err != nil || string(again) != string(got) {
			t.Errorf("%q in %q: a second call: %q, %v", field, file, again, err)
		}
	})
}

func FuzzSetField(f *testing.F) {
	f.Add([]byte("kind: PgProxy\nmetadata: {name: orders}\nspec:\n  target: orders-15 # here\n"), "orders-17")
	f.Add([]byte("\ufeffkind: 'PgProxy'\r\nmetadata:\r\n  name: orders\r\nspec: {target: \"ä\"}\r\n---\r\n"), "yes")
	f.Fuzz(func(t *testing.T, file []byte, value string) {
		got, err := SetField(file, "PgProxy", "orders", "spec.target", value)
		if err != nil {
			return
		}
		documents, err := parse(got)
		if err != nil {
			t.Fatalf("broken: %v\n%q", err, got)
		}
		changed, err := only(documents, "PgProxy", "orders")
		if err != nil || changed.scalar("spec", "target") != value {
			t.Fatalf("%v: %q isn't %q", err, changed.scalar("spec", "target"), value)
		}
	})
}

func FuzzResources(f *testing.F) {
	f.Add([]byte("resources:\n- a\n# c\n"), "instances/17")
	f.Add([]byte("resources: [a, 'b',]\r\n"), "x y")
	f.Add([]byte("resources: []\n"), "a")
	f.Add([]byte("# nothing\nkind: Kustomization\nresources:"), "a")
	f.Fuzz(func(t *testing.T, file []byte, entry string) {
		added, err := AddResource(file, entry)
		if err != nil {
			return
		}
		list, err := resourcesOf(added)
		if err != nil || list.indexOf(entry) < 0 {
			t.Fatalf("not added: %v\n%q", err, added)
		}
		removed, err := RemoveResource(added, entry)
		if err != nil {
			return
		}
		list, err = resourcesOf(removed)
		if err != nil || list.indexOf(entry) >= 0 {
			t.Fatalf("not removed: %v\n%q", err, removed)
		}
	})
}
