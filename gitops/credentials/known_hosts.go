package credentials

import (
	"bytes"
	"errors"
	"net"
	"slices"

	"github.com/fluxcd/pkg/ssh/knownhosts"
	gossh "golang.org/x/crypto/ssh"
	known "golang.org/x/crypto/ssh/knownhosts"
)

// KnownHosts accepts the host keys of a known_hosts file, as OpenSSH does: each that a host has there, so that a new key can be added
// before the server changes to it. The library that Flux uses takes the first one of each kind alone. It gives the algorithms of the keys, too.
func KnownHosts(file []byte) (gossh.HostKeyCallback, []string, error) {
	all, algorithms, err := knownhosts.New(file)
	if err != nil {
		return nil, nil, err
	}
	var each []gossh.HostKeyCallback
	for line := range bytes.Lines(file) {
		check, _, err := knownhosts.New(line)
		if err != nil {
			return nil, nil, err
		}
		each = append(each, check)
	}
	return func(hostname string, remote net.Addr, key gossh.PublicKey) error {
		err := all(hostname, remote, key)
		other := new(known.KeyError)
		if !errors.As(err, &other) { // it is right, or revoked
			return err
		}
		if slices.ContainsFunc(each, func(check gossh.HostKeyCallback) bool { return check(hostname, remote, key) == nil }) {
			return nil
		}
		return err
	}, algorithms, nil
}
