// Package notify tells people what happens: each event goes to Kubernetes and to the log, and those that are worth it to Flux's
// notification-controller, which forwards them to chats and pagers.
//
// Flux's Alert picks from a fixed list of kinds, which Gitover's aren't in. So an event is posted as one of the Kustomization that
// carries the database: an Alert on that Kustomization gets it. An event of type Trace is for Kubernetes alone, as Flux has it.
//
// Posting never keeps a look waiting, for a switch may begin in it: a queue is posted from beside. When it is full, or the
// address doesn't answer, events are dropped, and the log says so. Only the controller that leads posts.
package notify
