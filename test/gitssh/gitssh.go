// Package gitssh serves Git repositories over SSH by git's own upload-pack and receive-pack.
package gitssh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Server of the repositories below a root, for one client's key. It shows the newest of its host keys.
type Server struct {
	// Address is host:port.
	Address string

	root     string
	client   ssh.PublicKey
	listener net.Listener
	mu       sync.Mutex
	host     ssh.Signer
	open     sync.WaitGroup
}

// Serve on a free port of this machine, until Close.
func Serve(root string, client ssh.PublicKey, host ssh.Signer) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Address: listener.Addr().String(), root: root, client: client, listener: listener, host: host}
	s.open.Go(s.accept)
	return s, nil
}

// Close waits until all connections are over.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.open.Wait()
}

// Rotate has new connections see another host key.
func (s *Server) Rotate(host ssh.Signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = host
}

func (s *Server) accept() {
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.open.Go(func() {
			defer func() { _ = connection.Close() }()
			_ = s.converse(connection) // the client's side says what went wrong
		})
	}
}

func (s *Server) converse(connection net.Conn) error {
	settings := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), s.client.Marshal()) {
			return nil, errors.New("not this key")
		}
		return nil, nil
	}}
	s.mu.Lock()
	settings.AddHostKey(s.host)
	s.mu.Unlock()
	_, channels, requests, err := ssh.NewServerConn(connection, settings)
	if err != nil {
		return err
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return err
		}
		s.open.Go(func() { s.session(channel, requests) })
	}
	return nil
}

var command = regexp.MustCompile(`^git-(upload|receive)-pack '/?([a-z]+\.git)'$`)

func (s *Server) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	for request := range requests {
		var asked struct{ Command string }
		if request.Type != "exec" || ssh.Unmarshal(request.Payload, &asked) != nil {
			_ = request.Reply(false, nil)
			continue
		}
		_ = request.Reply(true, nil)
		status := struct{ Status uint32 }{1}
		if match := command.FindStringSubmatch(asked.Command); match != nil {
			git := exec.Command("git", match[1]+"-pack", filepath.Join(s.root, match[2]))
			git.Stdout, git.Stderr = channel, channel.Stderr()
			if err := run(git, channel); err == nil {
				status.Status = 0
			}
		} else {
			_, _ = fmt.Fprintf(channel.Stderr(), "no such repository: %s\n", asked.Command)
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}

// run ends with the command, also if the client never ends its input.
func run(git *exec.Cmd, input io.Reader) error {
	stdin, err := git.StdinPipe()
	if err != nil {
		return err
	}
	if err := git.Start(); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(stdin, input)
		_ = stdin.Close()
	}()
	return git.Wait()
}
