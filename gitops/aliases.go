package gitops

import (
	"bytes"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// A file's aliases may stand for this much text, in bytes.
const aliasLimit = 4 << 20

// checkAliases refuses YAML whose aliases stand for far more than the file holds ("a billion
// laughs"), or for themselves: kustomize expands all of it. YAML inside of YAML, such as a
// patch, is checked, too. Content that isn't YAML passes; its reader reports it.
func checkAliases(content []byte) error {
	if tooMuch(content, 0) {
		return failure(ErrBadFile, "its YAML aliases stand for more than %d MiB, or for themselves: write the values out", aliasLimit>>20)
	}
	return nil
}

// tooMuch checks each document separately, as kustomize reads them.
func tooMuch(content []byte, depth int) bool {
	if depth > 4 || !bytes.ContainsRune(content, '&') || !bytes.ContainsRune(content, '*') {
		return false
	}
	for document := range bytes.SplitSeq(content, []byte("\n---")) {
		var root yaml.Node
		if yaml.Unmarshal(document, &root) != nil {
			continue
		}
		scale := scale{weights: map[*yaml.Node]int{}, depth: depth}
		if scale.weigh(&root) > aliasLimit {
			return true
		}
	}
	return false
}

// scale weighs nodes as if each alias were written out, each node once.
type scale struct {
	weights map[*yaml.Node]int
	depth   int
}

// weigh gives the bytes that a node stands for, roughly, or anything above the limit.
func (s scale) weigh(node *yaml.Node) int {
	if weight, known := s.weights[node]; known {
		return weight
	}
	// A node that is reached again while it is being weighed contains itself.
	s.weights[node] = aliasLimit + 1
	weight := 8 + len(node.Value)
	if node.Kind == yaml.ScalarNode && tooMuch([]byte(node.Value), s.depth+1) {
		return aliasLimit + 1
	}
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		weight += s.weigh(node.Alias)
	}
	for _, child := range node.Content {
		if weight += s.weigh(child); weight > aliasLimit {
			return aliasLimit + 1
		}
	}
	s.weights[node] = weight
	return weight
}
