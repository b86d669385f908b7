// Package fill writes into any schema what applications might: rows of awkward values, updates, deletes.
//
// It knows a schema by its catalog alone. Values are the edge values of each type, and such as constraints name: the
// literals of checks, the labels of enums, the bounds of partitions, keys that rows refer to. What a server refuses for
// the sake of its data (a check, a key, a trigger that raises) is tried again with other values; Report says which
// tables took nothing whatever was tried, and which errors the server gave.
//
// The same seed writes the same, on servers that answer the same.
package fill
