// Package disk tells how much room the volumes of PostgreSQL servers have, before and while data is copied.
//
// # What is known, and by whom
//
// No SQL tells the free space of a file system, but for programs that a superuser starts on the server, which look like an intruder's to those who watch
// for them. What a volume holds is in the status of its claim; what a server keeps on it, the server tells: its databases and its WAL. The difference is
// what is free, less what the file system and files of others take (Reserve). A claim is one of those that the instance's pods mount, so nothing is known
// of servers outside of the cluster, and of pods without claims. Some storage classes don't limit a volume to what was asked for: where a server keeps
// more than its volume holds, nothing is known either.
//
// The free space of a file system itself is seen by the Job of a physical copy, which mounts the volume (package seed).
package disk
