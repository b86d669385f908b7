// Package crash lets a test end this process at a named point with SIGKILL, as an
// out-of-memory kill would: before an effect, in its middle, or after it.
//
// Only a build with the tag crashpoints holds any of it; in all others these functions are
// empty. Such a build asks a referee, the test that started it, at each point:
//
//	Before  the effect has not begun. The referee may also ask for a crash during it
//	during  the first message that changes something (a statement, an API write, a push)
//	        has been sent, and its answer will never be read
//	After   the effect is there, and nothing has recorded it yet
//
// Without the environment variable GITOVER_CRASH_REFEREE, or when the referee doesn't
// answer, nothing happens.
package crash
