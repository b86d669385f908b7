package delivery

import (
	"encoding/json"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
)

// Added is what a Kustomization of Flux adds to the kustomization in its path, in the words of kustomize. What Flux changes
// after the build (postBuild, commonMetadata) isn't among it.
func Added(k *kustomizev1.Kustomization) (map[string]any, error) {
	added := map[string]any{}
	for key, value := range map[string]string{"namespace": k.Spec.TargetNamespace, "namePrefix": k.Spec.NamePrefix, "nameSuffix": k.Spec.NameSuffix} {
		if value != "" {
			added[key] = value
		}
	}
	lists := map[string]any{"patches": k.Spec.Patches, "images": k.Spec.Images, "components": k.Spec.Components}
	for key, list := range lists {
		text, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		var entries []any
		if err := json.Unmarshal(text, &entries); err != nil {
			return nil, err
		}
		if len(entries) > 0 {
			added[key] = entries
		}
	}
	return added, nil
}
