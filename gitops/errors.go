package gitops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// The kinds of failure. Test with errors.Is; the text of the error that
// carries them says what to do about it and never holds a credential.
var (
	// ErrBadSecret: the Secret lacks a key or holds one in a wrong format.
	// Terminal until the Secret changes.
	ErrBadSecret = errors.New("the credentials can't be used")
	// ErrBadReference: the URL or the GitRepository's ref can't be written to.
	// Terminal until the object changes.
	ErrBadReference = errors.New("the repository reference can't be used")
	// ErrUnauthorized: the server refused the credentials. Worth a slow retry.
	ErrUnauthorized = errors.New("the Git server refused the credentials")
	// ErrPushForbidden: credentials are good, but this push isn't allowed
	// (protected branch, hook, read-only key). Worth a slow retry.
	ErrPushForbidden = errors.New("the Git server forbids this push")
	// ErrUnreachable: no answer, or none that makes sense. Transient.
	ErrUnreachable = errors.New("the Git server can't be reached")
	// ErrConflict: other writers won every race. Transient.
	ErrConflict = errors.New("others keep pushing to the branch")
	// ErrBranchMissing: the branch isn't there. Terminal until it is created.
	ErrBranchMissing = errors.New("the branch is missing")
	// ErrBranchTaken: a branch for a proposal holds commits of others. Terminal until a human decides.
	ErrBranchTaken = errors.New("it holds commits that aren't Gitover's")
	// ErrPathMissing: a file or directory isn't there at that revision.
	ErrPathMissing = errors.New("the path is missing")
	// ErrFieldMissing: the file is there, the field in it isn't, or is empty.
	ErrFieldMissing = errors.New("the field is missing")
	// ErrBadPath: a path leaves its directory, is a symlink, or is no plain file.
	ErrBadPath = errors.New("the path isn't allowed")
	// ErrBadFile: a file is too large, isn't YAML, or can't be edited safely.
	ErrBadFile = errors.New("the file can't be used")
	// ErrAmbiguous: more than one file or document has the name.
	ErrAmbiguous = errors.New("the name is ambiguous")
	// ErrNothingToChange: the edit leaves the branch as it is.
	ErrNothingToChange = errors.New("nothing to change")
	// ErrDrift: a file that Gitover writes was edited by hand.
	ErrDrift = errors.New("the file was edited by hand")
	// ErrOwned: another PgUpgrade owns the directory. Terminal until a human decides.
	ErrOwned = errors.New("another PgUpgrade owns the directory")
	// ErrUnknownRevision: the commit isn't reachable from the branch (any more).
	ErrUnknownRevision = errors.New("the commit isn't on the branch")
	// ErrBuild: kustomize refused the directory.
	ErrBuild = errors.New("the manifests don't build")
	// ErrBadMessage: a commit message, template or trailer is malformed.
	ErrBadMessage = errors.New("the commit message can't be used")
)

// Error is a failure of a known kind. Its text is free of credentials.
type Error struct {
	kind  error
	text  string
	cause error
	// damage: the clone has to be made again
	damage bool
}

// Error says what went wrong and what to do.
func (e *Error) Error() string { return e.text }

// Unwrap gives the kind and, if the caller's context ended, the context's error.
// The original cause stays hidden since its text may hold a credential.
func (e *Error) Unwrap() []error {
	causes := []error{e.kind}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(e.cause, known) {
			causes = append(causes, known)
		}
	}
	return causes
}

func failure(kind error, format string, arguments ...any) *Error {
	return &Error{kind: kind, text: fmt.Sprintf(format, arguments...)}
}

// Temporary reports whether the same call may succeed later without a fix.
func Temporary(err error) bool {
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrConflict) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// remoteFailure maps errors of go-git and the server to a kind. It is the only place that
// reads their texts.
func (a Access) remoteFailure(action string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	cause := a.redact(err.Error())
	wrap := func(kind error, advice string) error {
		return &Error{kind: kind, cause: err, text: fmt.Sprintf("%s %s: %v: %s: %s", action, a, kind, advice, cause)}
	}
	switch text := strings.ToLower(a.withoutURL(cause)); {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return wrap(ErrUnreachable, "it took too long, another attempt follows")
	case a.tokens != nil && errors.Is(err, transport.ErrAuthenticationRequired):
		// it ended early, or was revoked
		a.tokens.Forget()
		return wrap(ErrUnauthorized, "the next attempt takes a new token of the GitHub App of "+a.secretName())
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrInvalidAuthMethod),
		strings.Contains(text, "unable to authenticate"), strings.Contains(text, "permission denied"):
		return wrap(ErrUnauthorized, "check the keys of "+a.secretName())
	case strings.Contains(text, "knownhosts:"), strings.Contains(text, "host key"), strings.Contains(text, "knownhosts"):
		return wrap(ErrUnauthorized, "the server's host key isn't in known_hosts of "+a.secretName()+": if the server's owner says that it changed, add the new one by ssh-keyscan")
	case strings.Contains(text, "x509:"), strings.Contains(text, "tls:"):
		return wrap(ErrUnreachable, "check ca.crt (and tls.crt, tls.key) of "+a.secretName())
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return wrap(ErrUnauthorized, "give the account of "+a.secretName()+" access to this repository")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return wrap(ErrUnauthorized, "the repository doesn't exist, or "+a.secretName()+" may not see it")
	case errors.Is(err, transport.ErrEmptyRemoteRepository), errors.Is(err, plumbing.ErrReferenceNotFound):
		return wrap(ErrBranchMissing, fmt.Sprintf("create branch %q or change the GitRepository's spec.ref.branch", a.branch))
	}
	return wrap(ErrUnreachable, "another attempt follows")
}

// declined tells a refusal of this push, which another attempt won't change,
// from a lost race.
var declined = regexp.MustCompile(`(?i)declin|protected|prohibit|denied|den(y|ies)|not allowed|forbid|read.?only|hidden ref|not permitted|unauthori[sz]ed|GH0\d\d`)

// pushFailure maps the answer to a push; said is what the server's hooks printed.
func (a Access) pushFailure(err error, said string) error {
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(a.redact(said))
	if errors.Is(err, transport.ErrAuthorizationFailed) || declined.MatchString(a.withoutURL(err.Error())) {
		if text == "" {
			text = "it gave no reason"
		}
		return &Error{kind: ErrPushForbidden, cause: err, text: fmt.Sprintf(
			"push to %s: %v: let the account of %s push to branch %q (protected branch, hook or read-only key); the server says: %s; %s",
			a, ErrPushForbidden, a.secretName(), a.branch, a.redact(err.Error()), text)}
	}
	return a.remoteFailure("push to", err)
}

// withoutURL removes the repository's URL, so that its name isn't taken for a part of the server's answer.
func (a Access) withoutURL(text string) string { return strings.ReplaceAll(text, a.url, "") }

var userinfo = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://)[^/\s"'@]*@`)

// redact takes every credential out of a text.
func (a Access) redact(text string) string {
	text = userinfo.ReplaceAllString(text, "$1")
	for _, secret := range a.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	if a.tokens != nil {
		if secret := a.tokens.Current().Secret; secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return Printable(text, 1024)
}

// printable makes a server's text fit for a condition or a log line.
func Printable(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

// lostAnswer reports whether a push may have landed although it failed.
func lostAnswer(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
