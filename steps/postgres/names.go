package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Schema holds Gitover's own objects in every application database: the marker table.
// Dumps, fingerprints and verification leave it out.
const Schema = "gitover"

// MaintenanceDatabase is Gitover's own database on every server: the decision register
// and the connection limits that fences replaced live there, out of the fence's reach.
const MaintenanceDatabase = "gitover"

// Names derives every server-side name of one upgrade from its object's UID, so that a
// second run finds the first one's work and can't take another upgrade's for its own.
type Names struct {
	// UID of the PgUpgrade.
	UID string
}

// Prefix begins the name of everything that this upgrade makes on a server: at most 20
// bytes of lower-case letters, digits and underscores (slot names allow no others).
func (n Names) Prefix() string {
	return "gitover_" + strings.ReplaceAll(n.UID, "-", "")[:min(12, len(strings.ReplaceAll(n.UID, "-", "")))]
}

// Publication is the publication in each database, on whichever side publishes.
func (n Names) Publication() string { return n.Prefix() }

// Slot is the replication slot on the publishing server that feeds database on the
// instance called subscriber.
func (n Names) Slot(database, subscriber string) string {
	return n.Prefix() + "_" + Digest(database+"\x00"+subscriber)
}

// Subscription is the subscription in database on the instance called subscriber. Slot
// and subscription share their name, as PostgreSQL does by default.
func (n Names) Subscription(database, subscriber string) string {
	return n.Slot(database, subscriber)
}

// Digest keeps names within 63 bytes for any database name.
func Digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
