// Package protocol is how the controller and a pooler's agent communicate: requests and answers, the certificates by
// which each recognizes the other, and the controller's client.
package protocol
