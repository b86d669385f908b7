package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
)

// errRace says that the branch wasn't at our base any more.
var errRace = errors.New("the branch moved on")

// push moves the branch from base to tip, or not at all: the old value is sent
// with the update, so the server itself compares before it swaps. It never forces. Only the
// batch's objects are sent, whatever the size of the repository.
func (a Access) push(ctx context.Context, base, tip plumbing.Hash, objects *batch) error {
	session, advertised, err := a.receive(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	branch := plumbing.NewBranchReferenceName(a.branch)
	if current, ok := advertised.References[branch.String()]; !ok || current != base {
		return errRace
	}
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, objects, false).Encode(objects.order, 0); err != nil {
		return damaged(err)
	}
	said := &limitedBuffer{limit: 4096}
	request := packp.NewReferenceUpdateRequestFromCapabilities(advertised.Capabilities)
	if advertised.Capabilities.Supports(capability.Sideband64k) {
		request.Progress = quiet{said}
		if err := request.Capabilities.Set(capability.Sideband64k); err != nil {
			return damaged(err)
		}
	}
	request.Commands = []*packp.Command{{Name: branch, Old: base, New: tip}}
	request.Packfile = io.NopCloser(&pack)
	report, err := session.ReceivePack(ctx, request)
	return a.judge(report, err, said.String())
}

// CheckPush asks the server whether these credentials may push at all, and pushes
// nothing; hooks and branch protection are only known from a push. Errors:
// ErrUnauthorized, ErrPushForbidden, ErrBranchMissing, ErrUnreachable.
func (r *Repository) CheckPush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	return r.observed("check", func() error { return r.access.checkPush(ctx) })
}

func (a Access) checkPush(ctx context.Context) error {
	session, advertised, err := a.receive(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	if _, ok := advertised.References[plumbing.NewBranchReferenceName(a.branch).String()]; !ok {
		return a.remoteFailure("push to", plumbing.ErrReferenceNotFound)
	}
	return nil
}

// receive opens a session that can push.
func (a Access) receive(ctx context.Context) (transport.ReceivePackSession, *packp.AdvRefs, error) {
	endpoint, err := a.endpoint()
	if err != nil {
		return nil, nil, err
	}
	client, err := client.NewClient(endpoint)
	if err != nil {
		return nil, nil, a.remoteFailure("push to", err)
	}
	session, err := client.NewReceivePackSession(endpoint, a.auth)
	if err != nil {
		return nil, nil, a.remoteFailure("push to", err)
	}
	advertised, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		_ = session.Close()
		return nil, nil, a.pushFailure(err, "")
	}
	return session, advertised, nil
}

// judge distinguishes a lost race from a refusal. Servers report a lost race in several ways,
// so an answer that isn't clearly a refusal counts as a lost race: fetching and trying again
// is always safe.
func (a Access) judge(report *packp.ReportStatus, err error, said string) error {
	if report == nil || len(report.CommandStatuses) == 0 {
		return a.pushFailure(err, said)
	}
	status := report.CommandStatuses[0]
	if failed := status.Error(); failed != nil {
		if declined.MatchString(status.Status) {
			return a.pushFailure(fmt.Errorf("%s", status.Status), said)
		}
		return fmt.Errorf("%w: %s", errRace, a.redact(strings.TrimSpace(status.Status+" "+said)))
	}
	return a.pushFailure(err, said)
}

// quiet drops output beyond its limit: a hook that prints a lot must not fail the push.
type quiet struct{ *limitedBuffer }

func (q quiet) Write(data []byte) (int, error) {
	_, _ = q.limitedBuffer.Write(data[:min(len(data), q.limit-q.Len())])
	return len(data), nil
}
