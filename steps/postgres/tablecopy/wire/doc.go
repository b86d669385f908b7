// Package wire carries the rows of COPY from one server to another in the form in which the one sends them.
//
// It decodes no row, and holds no row as a whole: the driver reads each message of a server into memory at once, which is a row of up
// to 1 GiB. A Session takes over the connection that the driver has opened, and speaks as much of the protocol as COPY needs. It needs
// half a mebibyte, whatever the rows are.
//
// A session that returned an error is of no use any more: its caller closes it and opens another.
package wire
