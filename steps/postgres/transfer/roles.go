package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// role is one role as CREATE ROLE wants it.
type role struct {
	Name, Attributes string
	// Secret is the stored password hash, never a password in clear; nil for none.
	Secret *string
	// Comment of the role; nil for none.
	Comment *string
}

// membership of Member in Role. Inherit and Set are options from 16 on.
type membership struct {
	Role, Member        string
	Admin, Inherit, Set bool
	// Plain: inherit and set have the values that versions before 16 imply.
	Plain bool
}

// cluster is the state of one server's roles: everything that CopyRoles copies.
type cluster struct {
	version     int
	roles       []role
	memberships []membership
	settings    []setting
	known       []string
}

// CopyRoles gives "to" every role of "from": attributes, password hashes, comments,
// memberships with their options, and the settings of roles (those for one database come
// with CreateDatabases). It never drops a role nor touches predefined roles,
// Gitover's own, or the user it connects as; and where the password of a role is managed on "to" by something else, a role
// that is there keeps it. It is one transaction; a second run changes only what differs.
func CopyRoles(ctx context.Context, from, to postgres.Server) error {
	want, err := readCluster(ctx, from)
	if err != nil {
		return err
	}
	have, err := readCluster(ctx, to)
	if err != nil {
		return err
	}
	statements := copyRoles(want.keeping(have, to.ManagedPasswords), have, to.User)
	err = postgres.WithQuietSession(ctx, to, "", func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, s := range statements {
				if _, err := tx.Exec(ctx, s.sql); err != nil {
					return fmt.Errorf("%s: %w", s.what, err)
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("copy roles from %s to %s: %w", from.Instance, to.Instance, err)
	}
	return nil
}

// statement is SQL with a description that carries no secret.
type statement struct{ what, sql string }

// copyRoles are the statements that change have to want.
func copyRoles(want, have cluster, ownUser string) (statements []statement) {
	add := func(what, sql string) { statements = append(statements, statement{what, sql}) }
	for _, r := range want.roles {
		if r.Name == ownUser {
			continue
		}
		i := slices.IndexFunc(have.roles, func(h role) bool { return h.Name == r.Name })
		if i >= 0 && r.equal(have.roles[i]) {
			continue
		}
		if i < 0 {
			add("create role "+postgres.Ident(r.Name), "CREATE ROLE "+postgres.Ident(r.Name))
		}
		add("alter role "+postgres.Ident(r.Name), "ALTER ROLE "+postgres.Ident(r.Name)+" "+r.Attributes+" PASSWORD "+orNull(r.Secret))
		add("comment on role "+postgres.Ident(r.Name), "COMMENT ON ROLE "+postgres.Ident(r.Name)+" IS "+orNull(r.Comment))
	}
	statements = append(statements, copyMemberships(want, have, ownUser)...)
	for _, s := range have.settings {
		if s.Role != ownUser && s.Database == "" && want.has(s.Role) && !want.sets(s) {
			add("setting "+s.Name+" of role "+postgres.Ident(s.Role), "ALTER ROLE "+postgres.Ident(s.Role)+" RESET "+settingName(s.Name))
		}
	}
	for _, s := range want.settings {
		if s.Role == ownUser || s.Database != "" || slices.Contains(have.settings, s) || !s.knownTo(have.known) {
			continue
		}
		add("setting "+s.Name+" of role "+postgres.Ident(s.Role), s.statement())
	}
	return statements
}

// copyMemberships grants missing memberships and revokes those that want's roles no longer have.
func copyMemberships(want, have cluster, ownUser string) (statements []statement) {
	for _, m := range have.memberships {
		kept := slices.ContainsFunc(want.memberships, func(w membership) bool {
			return w.Role == m.Role && w.Member == m.Member && (w.Admin || !m.Admin || have.version >= postgres.WithMembershipOptions)
		})
		if m.Member != ownUser && want.has(m.Member) && !kept {
			statements = append(statements, statement{
				fmt.Sprintf("revoke role %s from %s", postgres.Ident(m.Role), postgres.Ident(m.Member)),
				"REVOKE " + postgres.Ident(m.Role) + " FROM " + postgres.Ident(m.Member)})
		}
	}
	for _, m := range want.memberships {
		if m.Member != ownUser && !slices.Contains(have.memberships, m) {
			statements = append(statements, statement{
				fmt.Sprintf("grant role %s to %s", postgres.Ident(m.Role), postgres.Ident(m.Member)), m.grant(have.version)})
		}
	}
	return statements
}

// keeping the passwords that have's roles of these names have.
func (c cluster) keeping(have cluster, managed []string) cluster {
	c.roles = slices.Clone(c.roles)
	for i := range c.roles {
		r := &c.roles[i]
		at := slices.IndexFunc(have.roles, func(h role) bool { return h.Name == r.Name })
		if at >= 0 && slices.Contains(managed, r.Name) {
			r.Secret = have.roles[at].Secret
		}
	}
	return c
}

func (c cluster) has(name string) bool {
	return slices.ContainsFunc(c.roles, func(r role) bool { return r.Name == name })
}

// sets: c has a value for the same variable of the same role.
func (c cluster) sets(s setting) bool {
	return slices.ContainsFunc(c.settings, func(w setting) bool {
		return w.Role == s.Role && w.Database == s.Database && w.Name == s.Name
	})
}

func (r role) equal(other role) bool {
	return r.Name == other.Name && r.Attributes == other.Attributes &&
		orNull(r.Secret) == orNull(other.Secret) && orNull(r.Comment) == orNull(other.Comment)
}

// grant uses the options that a version has; before 16 a membership has only one, and
// preflight finds what can't be expressed there.
func (m membership) grant(version int) string {
	grant := "GRANT " + postgres.Ident(m.Role) + " TO " + postgres.Ident(m.Member)
	switch {
	case version >= postgres.WithMembershipOptions:
		return grant + fmt.Sprintf(" WITH ADMIN %t, INHERIT %t, SET %t", m.Admin, m.Inherit, m.Set)
	case m.Admin:
		return grant + " WITH ADMIN OPTION"
	}
	return grant
}

func orNull(s *string) string {
	if s == nil {
		return "NULL"
	}
	return postgres.Literal(*s)
}

func readCluster(ctx context.Context, s postgres.Server) (c cluster, err error) {
	err = postgres.WithSession(ctx, s, "", func(conn *pgx.Conn) (err error) {
		if c.version, err = postgres.VersionOf(ctx, conn); err != nil {
			return err
		}
		if c.roles, err = postgres.Collect[role](ctx, conn, query("roles")); err != nil {
			return err
		}
		if c.memberships, err = postgres.Collect[membership](ctx, conn, query("memberships")); err != nil {
			return err
		}
		if c.settings, err = postgres.Collect[setting](ctx, conn, query("settings"), postgres.MaintenanceDatabase); err != nil {
			return err
		}
		c.known, err = postgres.Column[string](ctx, conn, "SELECT lower(name) FROM pg_settings")
		return err
	})
	if err != nil {
		return cluster{}, fmt.Errorf("roles of %s: %w", s.Instance, err)
	}
	return c, nil
}

// RolesFingerprint is the state of a server's roles as CopyRoles copies them, password hashes
// as digests, and those that something else manages left out. The user that Gitover connects as is always equal.
func RolesFingerprint(ctx context.Context, s postgres.Server) (Fingerprint, error) {
	c, err := readCluster(ctx, s)
	if err != nil {
		return Fingerprint{}, err
	}
	return c.fingerprint(s.User, s.ManagedPasswords), nil
}

func (c cluster) fingerprint(user string, managed []string) Fingerprint {
	items := map[string]string{}
	for _, r := range c.roles {
		password := "password " + postgres.Digest(orNull(r.Secret))
		if slices.Contains(managed, r.Name) {
			password = "password managed"
		}
		items["role "+quoted(r.Name)] = strings.Join([]string{r.Attributes, password, "comment " + orNull(r.Comment)}, ", ")
		if r.Name == user {
			items["role "+quoted(r.Name)] = ownUser
		}
	}
	for _, m := range c.memberships {
		if m.Member == user {
			continue
		}
		options := fmt.Sprintf("admin %t", m.Admin)
		if !m.Plain {
			options += fmt.Sprintf(", inherit %t, set %t", m.Inherit, m.Set)
		}
		items["role "+quoted(m.Member)+" in "+quoted(m.Role)] = options
	}
	for _, s := range c.settings {
		if s.Role != user && s.Database == "" && s.knownTo(c.known) {
			items["role "+quoted(s.Role)+" setting "+s.Name] = s.Value
		}
	}
	return newFingerprint(items)
}

// quoted always quotes, so that the quote marks the end of the name.
func quoted(name string) string { return postgres.Ident(name) }
