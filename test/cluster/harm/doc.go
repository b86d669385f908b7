// Package harm breaks parts of a running stage on purpose: pods, the network,
// volumes, the Git server, Flux, and Kubernetes' own components.
//
// Whatever lasts returns a function that heals it; healing twice is harmless.
// All of it works from outside the cluster, so that it works while the API
// server doesn't.
package harm

import "context"

// Heal undoes one harm.
type Heal func(context.Context) error
