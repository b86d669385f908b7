package catalogue

import "github.com/gitover/gitover/test/catalogue/fill"

// schema is what an application makes of an empty database.
type schema struct {
	name    string
	source  source
	license string
	read    reader
	// superuser runs before, as a superuser: roles, mostly.
	superuser string
	// known is what only the application's code knows.
	known fill.Known
	// unfilled tables take no row of the generator's, each with why.
	unfilled map[string]string
	// since is the first major version that takes the schema; 0 for any.
	since int
	// quick ones take part in make integration.
	quick bool
}

// schemas are all of the catalogue.
var schemas = []schema{
	{
		name: "kea", source: debian("kea-admin"), license: "MPL-2.0",
		// triggers write what changed into the revision that the session names, 0 where it names none
		read: and(files("usr/share/kea/scripts/pgsql/dhcpdb_create.pgsql"),
			"INSERT INTO dhcp4_audit_revision VALUES (0, now(), 'first', NULL); INSERT INTO dhcp6_audit_revision VALUES (0, now(), 'first', NULL);"),
		known: fill.Known{Values: map[string][]string{
			// triggers make the next one greater than the greatest
			"public.dhcp4_client_class_order.order_index": {"1", "7", "20"}, "public.dhcp6_client_class_order.order_index": {"1", "7", "20"},
			// triggers take the text for JSON
			"public.lease4.user_context": {"{}", `{"a": "ä"}`}, "public.lease6.user_context": {"{}", `{"a": "ä"}`},
		}},
	},
	{
		name: "icingadb", source: debian("icingadb"), license: "GPL-2.0-or-later",
		read: files("usr/share/icingadb/schema/pgsql/schema.sql"),
	},
	{
		name: "icinga2-ido", source: debian("icinga2-ido-pgsql"), license: "GPL-2.0-or-later",
		read: files("usr/share/icinga2-ido-pgsql/schema/pgsql.sql"),
	},
	{
		name: "zabbix", source: debian("zabbix-server-pgsql"), license: "GPL-2.0-or-later",
		read: files("usr/share/zabbix-server-pgsql/schema.sql.gz"),
	},
	{
		name: "bacula", source: debian("bacula-director-pgsql"), license: "AGPL-3.0",
		read: files("usr/share/dbconfig-common/data/bacula-director-pgsql/install/pgsql"),
	},
	{
		name: "powerdns", source: debian("pdns-backend-pgsql"), license: "GPL-2.0",
		read: files("usr/share/pdns-backend-pgsql/schema/schema.pgsql.sql"),
	},
	{
		name: "roundcube", source: debian("roundcube-core"), license: "GPL-3.0-or-later",
		read: files("usr/share/roundcube/SQL/postgres.initial.sql"),
	},
	{
		name: "ledgersmb", source: debian("ledgersmb"), license: "GPL-2.0-or-later",
		read: files("usr/share/ledgersmb/sql/Pg-database.sql"),
		known: fill.Known{Values: map[string][]string{
			// nothing may be booked before it
			"public.account_checkpoint.end_date": {"1999-01-01", "1999-02-01", "1999-03-01"},
			// triggers write down who does it, by the session's user
			"public.users.username": {"app", "b", "c", "d", "e", "f", "g", "h"},
		}},
	},
	{
		name: "request-tracker", source: debian("request-tracker5"), license: "GPL-2.0",
		read: files("usr/share/request-tracker5/etc/schema.Pg"),
	},
	{
		name: "gammu", source: debian("gammu-smsd"), license: "GPL-2.0-or-later", quick: true,
		// every server has the language today
		read: replaced(files("usr/share/doc/gammu-smsd/examples/pgsql.sql"), "CREATE LANGUAGE plpgsql;", ""),
	},
	{
		name: "kamailio", source: debian("kamailio-postgres-modules"), license: "GPL-2.0-or-later",
		read: files("usr/share/kamailio/postgres/standard-create.sql", "usr/share/kamailio/postgres/[^s]*-create.sql", "usr/share/kamailio/postgres/s[^t]*-create.sql"),
	},
	{
		name: "freeradius", source: debian("freeradius-config"), license: "GPL-2.0-or-later",
		read: files("etc/freeradius/3.0/mods-config/sql/main/postgresql/schema.sql", "etc/freeradius/3.0/mods-config/sql/cui/postgresql/schema.sql",
			"etc/freeradius/3.0/mods-config/sql/ippool/postgresql/schema.sql"),
	},
	{
		name: "ejabberd", source: debian("ejabberd"), license: "GPL-2.0-or-later",
		read: files("usr/share/ejabberd/sql/pg.new.sql"),
	},
	{
		name: "tt-rss", source: debian("tt-rss"), license: "GPL-3.0-or-later",
		read: files("usr/share/tt-rss/schema/ttrss_schema_pgsql.sql"),
	},
	{
		name: "mediawiki", source: debian("mediawiki"), license: "GPL-2.0-or-later",
		read: replaced(files("usr/share/mediawiki/maintenance/postgres/tables-generated.sql", "usr/share/mediawiki/maintenance/postgres/tables.sql"), "/*_*/", ""),
	},
	{
		name: "davical", source: debian("davical", "libawl-php"), license: "GPL-2.0-or-later",
		read: files("usr/share/awl/dba/awl-tables.sql", "usr/share/awl/dba/schema-management.sql", "usr/share/davical/dba/davical.sql",
			"usr/share/davical/dba/caldav_functions.sql", "usr/share/davical/dba/rrule_functions.sql"),
	},
	{
		name: "openqa", source: debian("openqa"), license: "GPL-2.0-or-later",
		read: files("usr/share/openqa/dbicdh/PostgreSQL/deploy/98/001-auto.sql"),
	},
	{
		name: "minion", source: debian("libminion-perl"), license: "Artistic-2.0",
		read: ups("usr/share/perl5/Minion/Backend/resources/migrations/pg.sql"),
	},
	{
		name: "pg-boss", source: npm("pg-boss", "10.4.2"), license: "MIT", quick: true,
		read: and(printed(`require("./src/plans.js").create("pgboss", 24)`),
			`SELECT pgboss.create_queue('mail', '{"policy": "standard"}'), pgboss.create_queue('it''s "odd"', '{"policy": "stately"}');`),
	},
	{
		name: "graphile-worker", source: npm("graphile-worker", "0.17.3"), license: "MIT",
		// its migrate.js begins with the schema
		read: and(after(`BEGIN; CREATE SCHEMA graphile_worker;
			CREATE TABLE graphile_worker.migrations (id int PRIMARY KEY, ts timestamptz DEFAULT now() NOT NULL, breaking boolean NOT NULL DEFAULT false);`,
			replaced(files("sql/*.sql"), ":GRAPHILE_WORKER_SCHEMA", "graphile_worker")), "COMMIT;"),
	},
	{
		name: "logto", source: npm("@logto/schemas", "1.43.0"), license: "MPL-2.0",
		superuser: "CREATE ROLE logto_tenant_logto PASSWORD 'tenant' NOINHERIT", read: logto,
		known: fill.Known{
			// grants are what other tables refer to
			Values: map[string][]string{"public.oidc_model_instances.model_name": {"Grant", "Grant", "Session"}},
			// checks of other tables read them: a row that came to break its check couldn't be copied, by pg_restore neither
			Fixed: []string{"public.applications.type", "public.roles.type", "public.organization_roles.type"},
		},
	},
	{
		name: "dbos", source: npm("@dbos-inc/dbos-sdk", "5.3.0"), license: "MIT",
		read: printed(`require("./dist/src/sysdb_migrations/internal/migrations.js").allMigrations().flatMap(m => m.pg).join(";\n") + ";"`),
	},
}
