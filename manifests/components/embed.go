// Package components holds what people add to their own manifests.
package components

import "embed"

// Pooler is the component that adds the agent to a pooler, in the directory "pooler".
//
//go:embed pooler/*.yaml
var Pooler embed.FS
