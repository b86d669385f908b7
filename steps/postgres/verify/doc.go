// Package verify compares rows of two servers while applications write.
//
// Rows are hashed by the servers, in slices of a table, and told apart by groups until single rows are left. A row that changes
// again and again is counted as in flight, never as equal. It reads only, but for marker rows.
package verify
