// Package adopt writes the manifests by which Gitover adopts a database that already runs behind a PgBouncer, see
// docs/adoption.md: it finds out what is there by the cluster, and changes a checkout so that one commit adopts it.
//
// Nothing is changed in the cluster. A file that is there is never replaced: lines are added to kustomizations and to
// pgbouncer.ini, and every other byte stays.
package adopt
