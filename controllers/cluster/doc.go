// Package cluster is what the steps of an upgrade may ask of Kubernetes: what runs an instance and whether it is ready, the
// Jobs that copy, and the volumes that go with an instance.
package cluster
