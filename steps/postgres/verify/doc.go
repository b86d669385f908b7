// Package verify compares rows of two servers while applications write.
//
// The servers hash the rows, in slices of a table. Slices that differ are divided into groups until single rows are left. A row
// that changes again and again is counted as in flight, never as equal. It only reads, except for marker rows.
package verify
