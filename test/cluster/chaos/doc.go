// Package chaos breaks parts of a running stage on purpose: pods, the network,
// volumes, the Git server, Flux, and Kubernetes' own components.
//
// Whatever lasts returns a function that heals it; healing twice is harmless.
// All of it works from outside the cluster, so that it works while the API
// server doesn't.
package chaos

import "context"

// Heal undoes one fault.
type Heal func(context.Context) error
