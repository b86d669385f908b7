// Package service leads a plain Kubernetes Service: one without a selector, whose EndpointSlice Gitover writes. Nothing stands
// between clients and servers, so nothing is held, and no agent is needed: the controller writes the slice by itself, once the
// switch is decided. Until kube-proxy follows, new connections meet the fence of the old side.
//
// The slice belongs to the Service, not to the PgProxy: traffic stays where it is when the PgProxy is deleted.
package service
