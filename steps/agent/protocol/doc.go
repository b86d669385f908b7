// Package protocol is what the controller and a pooler's agent say to each other: requests and answers, the certificates
// by which each knows the other, and the controller's client.
package protocol
