// Package yamlfile reads PgUpgrades and PgProxies out of YAML files, as the API server would have them: with the defaults of
// their CRDs. It is for people's machines and pipelines, where there is no API server to ask.
package yamlfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/manifests/crd"
)

// Documents of a YAML file, in order. An error says what isn't YAML.
func Documents(content []byte) (documents [][]byte, err error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, document)
	}
}

// Upgrade reads the PgUpgrade of a name, or the first if the name is empty. A field that the kind doesn't have is an error.
func Upgrade(content []byte, name string) (*v1alpha1.PgUpgrade, error) {
	upgrade := &v1alpha1.PgUpgrade{}
	return upgrade, read(content, "PgUpgrade", name, crd.PgUpgrades, upgrade)
}

// Proxy reads the PgProxy of a name, as Upgrade does.
func Proxy(content []byte, name string) (*v1alpha1.PgProxy, error) {
	proxy := &v1alpha1.PgProxy{}
	return proxy, read(content, "PgProxy", name, crd.PgProxies, proxy)
}

func read(content []byte, kind, name string, definition []byte, into any) error {
	documents, err := Documents(content)
	if err != nil {
		return err
	}
	var unread error
	for _, document := range documents {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal(document, &head); err != nil {
			unread = err // may be another tool's template
			continue
		}
		if head.Kind != kind || name != "" && head.Metadata.Name != name {
			continue
		}
		return decode(document, definition, into)
	}
	if unread != nil {
		return fmt.Errorf("no %s, and a document that isn't YAML: %w", kind, unread)
	}
	return fmt.Errorf("no %s", kind)
}

func decode(document, definition []byte, into any) error {
	// for the words of what is wrong: once defaults are in, lines are lost
	if err := yaml.UnmarshalStrict(document, into); err != nil {
		return err
	}
	var object map[string]any
	if err := yaml.Unmarshal(document, &object); err != nil {
		return err
	}
	var kind apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(definition, &kind); err != nil {
		return err
	}
	if err := setDefaults(object, kind.Spec.Versions[0].Schema.OpenAPIV3Schema); err != nil {
		return err
	}
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// setDefaults as the API server does: of fields that are missing in objects that are there.
func setDefaults(value any, schema *apiextensionsv1.JSONSchemaProps) error {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range schema.Properties {
			if _, there := value[name]; !there && field.Default != nil {
				var otherwise any
				if err := json.Unmarshal(field.Default.Raw, &otherwise); err != nil {
					return err
				}
				value[name] = otherwise
			}
			if err := setDefaults(value[name], &field); err != nil {
				return err
			}
		}
	case []any:
		if schema.Items == nil || schema.Items.Schema == nil {
			return nil
		}
		for _, item := range value {
			if err := setDefaults(item, schema.Items.Schema); err != nil {
				return err
			}
		}
	}
	return nil
}
