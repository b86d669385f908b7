package preflight

import (
	"cmp"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// place is where a rule's query runs, and which facts it gets.
type place int

const (
	// atFirst rules run on blue before all others, whose queries rely on them.
	atFirst place = iota
	// onBlue rules run once on blue, inDatabase rules in each database of blue.
	onBlue
	inDatabase
	// inLeftOut rules run in blue's database "postgres" when it isn't among the request's.
	inLeftOut
	// onGreen rules run once on green.
	onGreen
	// onPair and inPair rules run on blue and know facts of green.
	onPair
	inPair
	// tried rules have no query: Gitover tries the operation.
	tried
)

// rule is one hazard. Its query (sql/rules) yields a row per object: object, detail, fix;
// Why and Fix put them into words.
type rule struct {
	Name, Severity string
	At             place
	// File of the query if it isn't the rule's name; SQL if it is another package's.
	File, SQL string
	// Tables replaces a query: it judges each table that would be published.
	Tables identityEvidence
	// Why it matters, and Fix, the SQL or setting that removes the hazard: {object}, {detail}, {fix} and {target} are replaced.
	Why, Fix string
	// Firm rules can't be acknowledged: the upgrade could not work.
	Firm bool
	// RollbackPath rules matter only when blue must follow green later.
	RollbackPath bool
	// When limits a rule to some pairs of versions; nil means all.
	When func(source, target int) bool
}

func (r rule) query() string {
	if r.SQL != "" {
		return r.SQL
	}
	return query("rules/" + cmp.Or(r.File, r.Name))
}

func downgrade(source, target int) bool { return target < source }
func upgrade(source, target int) bool   { return target > source }
func belowMembershipOptions(source, target int) bool {
	return source >= postgres.WithMembershipOptions && target < postgres.WithMembershipOptions
}
func to19(source, target int) bool { return source < 19 && target >= 19 }
func to18(source, target int) bool { return source < 18 && target >= 18 }
func from18(_, target int) bool    { return target >= 18 }

// rules are all hazards Gitover looks for, in the order they are reported.
var rules = []rule{
	// The server as a whole.
	{Name: "version", Severity: Block, At: atFirst, Firm: true,
		Why: "{object} can't be upgraded to {target}: {detail}.",
		Fix: "Ask for another major version from " + postgres.SupportedVersions() + "."},
	{Name: "superuser", Severity: Block, At: atFirst, Firm: true,
		Why: "Gitover reads password hashes, replicates tables of every owner and fences databases; {object} may not.",
		Fix: "{fix}"},
	{Name: "standby", Severity: Block, At: atFirst, Firm: true,
		Why: "The server is a standby: it can't publish.",
		Fix: "Let the connection lead to the primary."},
	{Name: "encoding", Severity: Block, At: atFirst, Firm: true,
		Why: "{object} has the encoding {detail}: it can't be converted to UTF-8, which Gitover uses, and version 19 doesn't have it.",
		Fix: "Dump the database and restore it into one with another encoding, such as UTF8."},
	{Name: "wal_level", Severity: Block, At: onBlue, Firm: true,
		Why: "Logical replication needs wal_level = logical; it is {detail}.{fix}",
		Fix: "ALTER SYSTEM SET wal_level = 'logical'; or set it where your manifests configure the server, then restart the server."},
	{Name: "capacity", Severity: Block, At: onBlue, Firm: true, SQL: tooLow,
		Why: "{object} is too low for one replication per database and two tables that are copied in parallel: {detail}.",
		Fix: "{fix} then restart the server."},
	{Name: "lock_table", Severity: Block, At: onBlue,
		Why: "{object} is too low to dump the schemas while your applications need locks as well: it is {detail}. They would fail with \"out of shared memory\".",
		Fix: "{fix} then restart the server."},
	{Name: "wal_retention", Severity: Warn, At: onBlue,
		Why: "{object} is {detail}.",
		Fix: "{fix}"},
	{Name: "prepared_transactions", Severity: Block, At: onBlue, Firm: true,
		Why: "{object} ({detail}) would keep the replication slot from being made and would not survive a switch.",
		Fix: "{fix}"},
	{Name: "long_transactions", Severity: Warn, At: onBlue,
		Why: "{object} ({detail}): a replication slot waits for every transaction that is open when it is made.",
		Fix: "End the transaction: {fix}"},
	{Name: "parallel_workers", Severity: Warn, At: onBlue, SQL: fence.ParallelWorkers,
		Why: "{object} refuses parallel workers to a running query once the database is fenced. Each switch away from it fences only when no query runs any more, and holds a little longer.",
		Fix: "Update to {detail} or later."},
	{Name: "superuser_applications", Severity: Warn, At: onBlue,
		Why: "A superuser, {object} ({detail}), is refused while a switch runs, but afterwards only a default setting keeps it from writing to the side that was left.",
		Fix: "{fix}"},
	{Name: "other_slots", Severity: Warn, At: onBlue,
		Why: "{object} ({detail}) isn't Gitover's and doesn't move to the new instance.",
		Fix: "Move its consumer after the cutover. {fix}"},
	{Name: "other_subscriptions", Severity: Warn, At: onBlue,
		Why: "{object} ({detail}) isn't Gitover's. It isn't made on the new instance.",
		Fix: "Make it on the new instance after finalization."},
	{Name: "enabled_subscriptions", Severity: Block, At: onBlue,
		Why: "{object} ({detail}) isn't Gitover's, and writes behind the fence: a row that it writes during a switch is lost, or returns later as a duplicate key.",
		Fix: "{fix} Or let each switch move it by spec.otherSubscriptions: Move."},
	{Name: "moved_subscriptions", Severity: Info, At: onBlue,
		Why: "{object} ({detail}) isn't Gitover's. Each switch moves it to the side that serves then, with its slot and its position; it pauses while the switch runs.",
		Fix: "Nothing to do, if the new instance can reach its publisher."},
	{Name: "any_standby", Severity: Block, At: onBlue,
		Why: "{object} is {detail}, which makes a subscription count as a standby: your applications' commits would wait until the new instance has applied them.",
		Fix: "{fix}"},
	{Name: "async_standbys", Severity: Block, At: onBlue,
		Why: "Standby {object} is asynchronous: if it replaces the primary, rows that the primary had confirmed may be missing, while this side serves or while it follows the other.",
		Fix: "{fix}"},
	{Name: "tablespaces", Severity: Warn, At: onBlue,
		Why: "{object} doesn't exist on the new instance: its tables move to the default tablespace.",
		Fix: "Make sure that the new instance's volume has room for them; or create a tablespace there and name it in spec.tablespaces."},
	{Name: "predefined_roles", Severity: Block, At: onBlue, Firm: true, When: downgrade,
		Why: "{object} is a member of {detail}, which version {target} doesn't have.",
		Fix: "{fix}"},
	{Name: "membership_options", Severity: Block, At: onBlue, Firm: true, When: belowMembershipOptions,
		Why: "The membership of {object} has options ({detail}) that version {target} can't express.",
		Fix: "{fix}"},
	{Name: "md5_passwords", Severity: Warn, At: onBlue, When: from18,
		Why: "The password of {object} is stored as MD5, which version {target} still accepts, but calls deprecated{detail}.",
		Fix: "Let a human {fix}."},

	{Name: "string_escapes", Severity: Block, At: onBlue, Firm: true, When: to19,
		Why: "In version {target} a backslash in a plain string escapes nothing. For {object} standard_conforming_strings is off: its applications may write '\\'' or '\\n' and mean something else.",
		Fix: "Let them write E'…' where they escape. Then {fix}"},
	{Name: "line_breaks", Severity: Block, At: onBlue, Firm: true, When: to19,
		Why: "The name of {object} has a line break, which version {target} refuses.",
		Fix: "{fix}"},
	{Name: "radius", Severity: Block, At: onBlue, When: to19,
		Why: "{object} ({detail}) asks for RADIUS, which version {target} doesn't have: with such a file the new instance doesn't start. Acknowledge it if the new instance has another file.",
		Fix: "Give these users another method, such as scram-sha-256 or ldap, in the manifests of the new instance."},

	// Each database.
	{Name: "other_publications", Severity: Warn, At: inDatabase,
		Why: "{object} isn't Gitover's and isn't made on the new instance.",
		Fix: "Make it on the new instance and move its consumers after the cutover."},
	{Name: "replica_identity", Severity: Block, At: inDatabase, Firm: true, Tables: lacksIdentity,
		Why: "Once {object} is published, UPDATE and DELETE on it fail for your applications: {detail}.",
		Fix: "{fix}"},
	{Name: "generated_identity", Severity: Block, At: inDatabase, Firm: true, RollbackPath: true, When: to18, Tables: outgrowsIdentity,
		Why: "On version {target}, UPDATE and DELETE on {object} fail for your applications while the old side follows: its replica identity is the whole row, and has a generated column.",
		Fix: "{fix}"},
	{Name: "automatic_identity", Severity: Info, At: inDatabase, Tables: givenIdentity,
		Why: "{object}: {detail}. Until the upgrade has ended Gitover gives it REPLICA IDENTITY {fix}.", Fix: "Nothing to do."},
	{Name: "identity_full_types", Severity: Block, At: inDatabase, Tables: incomparable,
		Why: "Rows of {object} can only be found by the whole row, but {detail} has no equality: an UPDATE or DELETE on it stops the replication.",
		Fix: "{fix}"},
	{Name: "large_objects", Severity: Block, At: inDatabase,
		Why: "{object} ({detail}) aren't replicated. Acknowledged, they stay behind.",
		Fix: "Let each switch copy them by spec.copyInSwitch: [LargeObjects]; or keep them as bytea in a table, then {fix}"},
	{Name: "carried_large_objects", Severity: Info, At: inDatabase,
		Why: "{object} ({detail}) are copied by each switch: before traffic is held, and behind the fence what changed since, which adds about {fix} to the hold. A switch measures it beforehand.",
		Fix: "Nothing to do."},
	{Name: "unlogged_tables", Severity: Warn, At: inDatabase,
		Why: "Unlogged {object} isn't replicated: it starts empty on the new instance.",
		Fix: "{fix} Or let each switch copy it by spec.copyInSwitch: [UnloggedTables]."},
	{Name: "carried_unlogged", Severity: Info, At: inDatabase,
		Why: "Unlogged {object} ({detail}) is copied by each switch while traffic is held. A switch measures beforehand how long that takes.", Fix: "Nothing to do."},
	{Name: "firing_triggers", Severity: Block, At: inDatabase, SQL: replication.FiringTriggers,
		Why: "{object} is {detail}: it fires for every replicated change, a second time on the other side.",
		Fix: "{fix}"},
	{Name: "unsupported_extensions", Severity: Block, At: inDatabase,
		Why: "Logical replication of all tables doesn't carry what {object} keeps.",
		Fix: "{fix}"},
	{Name: "self_acting_extensions", Severity: Warn, At: inDatabase,
		Why: "{object} acts by itself: {detail}.",
		Fix: "{fix}."},
	{Name: "lost_features", Severity: Block, At: inDatabase, Firm: true, When: downgrade,
		Why: "{object} can't be made on version {target}: {detail}.",
		Fix: "{fix}"},
	{Name: "missing_builtins", Severity: Block, At: inDatabase, Firm: true,
		Why: "{object} uses {detail}, which version {target} doesn't have.",
		Fix: "Drop {object}, or write it without {detail}."},
	{Name: "removed_features", Severity: Block, At: inDatabase, Firm: true, When: upgrade,
		Why: "{object} can't be made on version {target}: {detail}.",
		Fix: "{fix}"},
	{Name: "unset_search_path", Severity: Warn, At: inDatabase,
		Why: "{object}, used by {detail}, finds objects only by the caller's search_path, which is empty where changes are applied.",
		Fix: "{fix}"},
	{Name: "time_limits", Severity: Warn, At: inDatabase,
		Why: "{object} is {detail} for Gitover's user: the copy of a large table may be interrupted, and then begins again.",
		Fix: "{fix}"},
	{Name: "invalid_indexes", Severity: Warn, At: inDatabase,
		Why: "{object} is invalid and isn't made on the new instance.",
		Fix: "{fix}"},
	{Name: "foreign_servers", Severity: Warn, At: inDatabase,
		Why: "Foreign {object} ({detail}) must be reachable from the new instance as well.",
		Fix: "Check firewalls and the server's access rules for the new instance."},
	{Name: "event_triggers", Severity: Info, At: inDatabase,
		Why: "{object} ({detail}) doesn't fire for Gitover's own work.", Fix: "Nothing to do."},
	{Name: "materialized_views", Severity: Info, At: inDatabase,
		Why: "{object} are refreshed on the new instance just before traffic is held, at each switch.", Fix: "Nothing to do."},
	{Name: "sequences", Severity: Info, At: inDatabase,
		Why: "{object} aren't replicated; each switch sets them exactly.", Fix: "Nothing to do."},
	{Name: "row_security", Severity: Info, At: inDatabase,
		Why: "{object}: policies don't apply to replication.", Fix: "Nothing to do."},
	{Name: "generated_columns", Severity: Info, At: inDatabase,
		Why: "{object} are recomputed on the new instance.", Fix: "Nothing to do."},
	{Name: "partitioned_tables", Severity: Info, At: inDatabase,
		Why: "{object} are replicated partition by partition. A new partition is DDL, which stops the upgrade before its cutover.",
		Fix: "Create the partitions for the next days beforehand."},

	{Name: "left_out", Severity: Warn, At: inLeftOut,
		Why: "{object} stays behind: the database isn't part of this upgrade.",
		Fix: "If it is needed on the new instance, name every database to move, this one too, in spec.databases.include."},

	// How the data is copied.
	{Name: "physical_copy", Severity: Info, At: tried,
		Why: "{object} keeps the data from being copied physically: {detail}.",
		Fix: "{fix}"},
	{Name: "physical_copy_possible", Severity: Info, At: tried,
		Why: "As far as the server can tell, {object} can be copied and upgraded by pg_upgrade, faster than table by table.",
		Fix: "Choose it by spec.copy.method: Auto or Physical."},

	{Name: "small_volume", Severity: Block, At: tried,
		Why: "The data doesn't fit on the new instance's volume: {object} {detail}.",
		Fix: "Request more in the base. If the copy is smaller, since the old tables are bloated, or nothing limits that volume, acknowledge this; no copy waits for room then."},
	{Name: "tight_volume", Severity: Warn, At: tried,
		Why: "The new instance's volume has little room beside the data: {object} {detail}.",
		Fix: "Request more in the base."},
	{Name: "blue_volume", Severity: Warn, At: tried,
		Why: "The old instance keeps all WAL while data is copied, and has {detail}.",
		Fix: "Enlarge the volume, or set max_slot_wal_keep_size so that WAL can't fill it."},

	// Green, and the pair.
	{Name: "green_version", Severity: Block, At: onGreen, Firm: true,
		Why: "The new instance is {object}, {detail}.",
		Fix: "Correct the image in the manifests of the new instance."},
	{Name: "green_superuser", Severity: Block, At: onGreen, File: "superuser", Firm: true,
		Why: "Gitover makes roles, databases and subscriptions on the new instance; {object} may not.",
		Fix: "{fix}"},
	{Name: "green_wal_level", Severity: Block, At: onGreen, File: "wal_level", Firm: true, RollbackPath: true,
		Why: "Without wal_level = logical the new instance can't replicate back to the old one; it is {detail}.{fix}",
		Fix: "Set wal_level = logical in the manifests of the new instance."},
	{Name: "green_tablespaces", Severity: Block, At: onGreen, Firm: true,
		Why: "The new instance has no {object}, which spec.tablespaces names.",
		Fix: "{fix} in a directory of a volume of the new instance's manifests, which belongs to the server's user and is empty."},
	{Name: "green_capacity", Severity: Block, At: onGreen, SQL: tooLow, Firm: true,
		Why: "{object} of the new instance is too low for one replication per database and two tables that are copied in parallel: {detail}.",
		Fix: "{fix} in its manifests, with a restart."},
	{Name: "green_lock_table", Severity: Block, At: onPair,
		Why: "{object} of the new instance is too low to restore the schemas, each in one transaction: it is {detail}.",
		Fix: "{fix} in its manifests, with a restart."},
	{Name: "green_sync_workers", Severity: Block, At: onGreen, File: "sync_workers", Firm: true,
		Why: "{object} of the new instance is {detail}: no table could be copied.",
		Fix: "{fix}"},
	{Name: "green_wal_retention", Severity: Warn, At: onGreen, File: "wal_retention", RollbackPath: true,
		Why: "On the new instance {object} is {detail}.",
		Fix: "{fix}"},
	{Name: "green_any_standby", Severity: Block, At: onGreen, File: "any_standby", RollbackPath: true,
		Why: "On the new instance {object} is {detail}, which makes a subscription count as a standby: after the switch your applications' commits would wait until the old one has applied them.",
		Fix: "{fix}"},
	{Name: "green_async_standbys", Severity: Block, At: onGreen, File: "async_standbys",
		Why: "Standby {object} of the new instance is asynchronous: if it replaces the primary, rows that the primary had confirmed may be missing.",
		Fix: "{fix}"},
	{Name: "preload_libraries", Severity: Warn, At: onPair,
		Why: "Library {detail} is loaded here, but not on the new instance.",
		Fix: "{fix}."},
	{Name: "other_defaults", Severity: Warn, At: onPair,
		Why: "{object} differs: {detail}.",
		Fix: "{fix}."},
	{Name: "lock_room", Severity: Warn, At: onPair,
		Why: "The new instance has room for fewer locks: {object} is {detail}. A transaction that touches many tables may fail with \"out of shared memory\".",
		Fix: "{fix}."},
	{Name: "unknown_settings", Severity: Warn, At: onPair,
		Why: "Version {target} doesn't know {detail}, set for {object}; the setting is left out.",
		Fix: "{fix}"},
	{Name: "function_settings", Severity: Block, At: inPair, Firm: true,
		Why: "{object} sets {detail}, which the new instance refuses: the function can't be made there.",
		Fix: "{fix}"},
	{Name: "extensions", Severity: Block, At: inPair, Firm: true,
		Why: "{object} ({detail}) isn't installed on the new instance.",
		Fix: "{fix}"},
	{Name: "extension_versions", Severity: Info, At: inPair,
		Why: "{object} comes in the new instance's version: {detail}.", Fix: "Nothing to do."},
	{Name: "connection", Severity: Block, At: tried, Firm: true,
		Why: "{object}: the first can't replicate from the second: {detail}.",
		Fix: "{fix}"},
	{Name: "locales", Severity: Block, At: inPair,
		Why: "{object} has locale {detail}, which the new instance doesn't seem to have.",
		Fix: "{fix}."},
}
