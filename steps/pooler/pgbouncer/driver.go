package pgbouncer

import (
	"context"

	"github.com/gitover/gitover/steps/pooler"
)

// Driver leads one PgBouncer.
type Driver struct{ Admin Admin }

// Render implements pooler.Driver.
func (Driver) Render(_ context.Context, t pooler.Target) ([]byte, error) {
	content, err := Target(t).Render()
	return []byte(content), err
}

// Moved implements pooler.Driver: PgBouncer resolves names by itself.
func (Driver) Moved(context.Context, pooler.Target) (bool, error) { return false, nil }

// Connect implements pooler.Driver.
func (d Driver) Connect(ctx context.Context) (pooler.Session, error) {
	console, err := d.Admin.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return session{console}, nil
}

// session is a console as all drivers have it.
type session struct{ *Console }

// Rehearse implements pooler.Session: a broken file is found, and undoes the switch, when it is read.
func (session) Rehearse(context.Context) error { return nil }

// Pause implements pooler.Session.
func (s session) Pause(ctx context.Context) error {
	err := s.Console.Pause(ctx)
	if AlreadyPaused(err) {
		return nil
	}
	return err
}

// Paused implements pooler.Session: PgBouncer holds all or none.
func (s session) Paused(ctx context.Context) (all, some bool, err error) {
	paused, err := s.Console.Paused(ctx)
	return paused, paused, err
}

// Lead implements pooler.Session.
func (s session) Lead(ctx context.Context, t, left pooler.Target) error {
	if err := s.Reload(ctx); err != nil {
		return err
	}
	found, err := s.Databases(ctx)
	if err != nil {
		return err
	}
	if err := Target(t).Matches(found, Target(left)); err != nil {
		return &pooler.NotLedError{Message: "after RELOAD, " + err.Error() + "; see PgBouncer's log for what is wrong in its configuration"}
	}
	return nil
}

// About implements pooler.Session.
func (s session) About(ctx context.Context) (a pooler.About, err error) {
	if a.Version, err = s.Version(ctx); err != nil {
		return a, err
	}
	a.Others, err = s.Others(ctx)
	return a, err
}

// Clients implements pooler.Session.
func (s session) Clients(ctx context.Context) ([]pooler.Client, error) { return s.SessionClients(ctx) }
