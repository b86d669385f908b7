// Package nginx leads one nginx with its stream module: by a file that its configuration includes, and by signals, since nginx
// has no interface at run time.
//
// A hold stops the worker processes (SIGSTOP): new connections wait in the kernel's queue, and what passes through stays where
// it is. Reloading (SIGHUP) lets new workers begin with the new target, before the old ones go on; these then pass on what
// servers said last, and end. The agent shares the pod's process namespace and the user of nginx. The included file has a
// server of its own on the loopback address that says which version of the file nginx serves: that a reload was accepted is
// known by asking, since nginx keeps the former configuration if the new one is broken.
package nginx
