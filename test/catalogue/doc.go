// Package catalogue takes schemas that nobody here wrote through upgrades and downgrades.
//
// Each is what a well-known application makes of an empty database. It comes out of the application's own package, from
// Debian or npm, when the test runs, and nothing of it is kept here: README.md has the list. The application's role
// owns it. Package fill writes rows of awkward values, over a pooler. Then the database moves from one major version to
// the next and back, on real servers, by the product's own code: preflight, roles, schema, publication, subscription,
// comparison, switch. After each switch the application writes on the side that serves, while the other follows; and
// both sides are compared: what pg_dump says of their schemas (normalise has what is left out of account), every row,
// every sequence.
//
// A failure is whatever differs, whatever a preflight says that isn't so, and each statement of the application that
// worked before the first move and works no more.
package catalogue
