package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
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

// branchUpdate moves a branch from old to tip; old is zero if the branch is new, tip if it is removed.
type branchUpdate struct {
	branch   string
	old, tip plumbing.Hash
	// options for the server, as `git push --push-option` has them
	options map[string]string
}

// answer of a server that was asked for an update: its report, what it said beside that, and how the exchange ended.
type answer struct {
	report *packp.ReportStatus
	said   string
	err    error
}

// update moves a branch, or not at all: the old value is sent with the update, so the server itself compares before it swaps. Only
// the batch's objects are sent, whatever the size of the repository.
func (a Access) update(ctx context.Context, update branchUpdate, objects *batch) (answer, error) {
	session, advertised, err := a.receive(ctx)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = session.Close() }()
	name := plumbing.NewBranchReferenceName(update.branch)
	if advertised.References[name.String()] != update.old {
		return answer{}, errRace
	}
	said := &limitedBuffer{limit: 4096}
	request := packp.NewReferenceUpdateRequestFromCapabilities(advertised.Capabilities)
	if advertised.Capabilities.Supports(capability.Sideband64k) {
		request.Progress = quiet{said}
		if err := request.Capabilities.Set(capability.Sideband64k); err != nil {
			return answer{}, damaged(err)
		}
	}
	if len(update.options) > 0 && advertised.Capabilities.Supports(capability.PushOptions) {
		if err := request.Capabilities.Set(capability.PushOptions); err != nil {
			return answer{}, damaged(err)
		}
		for _, key := range slices.Sorted(maps.Keys(update.options)) {
			request.Options = append(request.Options, &packp.Option{Key: key, Value: update.options[key]})
		}
	}
	request.Commands = []*packp.Command{{Name: name, Old: update.old, New: update.tip}}
	if !update.tip.IsZero() {
		var pack bytes.Buffer
		if _, err := packfile.NewEncoder(&pack, objects, false).Encode(objects.order, 0); err != nil {
			return answer{}, damaged(err)
		}
		request.Packfile = io.NopCloser(&pack)
	}
	report, err := session.ReceivePack(ctx, request)
	return answer{report: report, said: said.String(), err: err}, nil
}

// push moves the followed branch from base to tip. It never forces.
func (a Access) push(ctx context.Context, base, tip plumbing.Hash, objects *batch) error {
	got, err := a.update(ctx, branchUpdate{branch: a.branch, old: base, tip: tip}, objects)
	if err != nil {
		return err
	}
	return a.judge(got)
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
	if err := a.ready(ctx); err != nil {
		return nil, nil, err
	}
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

// upload opens a session that can fetch.
func (a Access) upload(ctx context.Context) (transport.UploadPackSession, error) {
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	endpoint, err := a.endpoint()
	if err != nil {
		return nil, err
	}
	client, err := client.NewClient(endpoint)
	if err != nil {
		return nil, err
	}
	return client.NewUploadPackSession(endpoint, a.auth)
}

// judge distinguishes a lost race from a refusal. Servers report a lost race in several ways,
// so an answer that isn't clearly a refusal counts as a lost race: fetching and trying again
// is always safe.
func (a Access) judge(got answer) error {
	if got.report == nil || len(got.report.CommandStatuses) == 0 {
		return a.pushFailure(got.err, got.said)
	}
	status := got.report.CommandStatuses[0]
	if failed := status.Error(); failed != nil {
		if declined.MatchString(status.Status) {
			return a.pushFailure(fmt.Errorf("%s", status.Status), got.said)
		}
		return fmt.Errorf("%w: %s", errRace, a.redact(strings.TrimSpace(status.Status+" "+got.said)))
	}
	return a.pushFailure(got.err, got.said)
}

// quiet drops output beyond its limit: a hook that prints a lot must not fail the push.
type quiet struct{ *limitedBuffer }

func (q quiet) Write(data []byte) (int, error) {
	_, _ = q.limitedBuffer.Write(data[:min(len(data), q.limit-q.Len())])
	return len(data), nil
}
