// Package console tells what documentation has people type: the console blocks of pages, run by a real shell in which every
// program is a stand-in that writes its arguments down. Nothing is executed; what is returned is what the shell would have
// started, so that tests can hold it against real commands and kinds.
package console
