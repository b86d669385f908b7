// Package screen says in words and lines how an upgrade stands.
//
// # Authority
//
// None: Of and the functions that draw are pure. They take objects as the API server has them, and the time, and know nothing
// else: what isn't in an object isn't shown. What is drawn is free of control characters, whoever wrote it.
//
// # Parts
//
// Of makes a Report of the objects around an upgrade; its JSON is what `gitover status -o json` prints. Draw makes lines of a
// Report that fit a terminal. Overview, Tree and History do the same for many upgrades, for the objects around one, and for
// what has been.
package screen
