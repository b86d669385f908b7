// Command gitserver is the stage's Git host: bare repositories below /srv/git
// over smart HTTP with basic authentication and over SSH with keys. Tests make
// it misbehave by writing /srv/git/fault, which it reads at every request:
//
//	status 500     answer this instead of serving
//	delay 3s       serve, but only after this long
//	drop-answer    take a push, then cut the connection before the answer
package main

import (
	"crypto/subtle"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	root        = "/srv/git"
	credentials = "/etc/git-server/"
	// gitUser owns the repositories and is who SSH clients log in as.
	gitUser = 1000
)

func main() {
	if err := serve(); err != nil {
		log.Fatal(err)
	}
}

func serve() error {
	username, err := os.ReadFile(credentials + "username")
	if err != nil {
		return err
	}
	password, err := os.ReadFile(credentials + "password")
	if err != nil {
		return err
	}
	if err := startSSH(); err != nil {
		return fmt.Errorf("sshd: %w", err)
	}
	listener, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	if err := syscall.Setgid(gitUser); err != nil {
		return err
	}
	if err := syscall.Setuid(gitUser); err != nil {
		return err
	}
	backend := &cgi.Handler{
		Path: "/usr/lib/git-core/git-http-backend",
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + root, "REMOTE_USER=" + string(username)},
	}
	server := &http.Server{
		Handler:           misbehave(authenticate(backend, string(username), string(password))),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return server.Serve(listener)
}

func authenticate(next http.Handler, username, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, given := r.BasicAuth()
		if !given || u != username || subtle.ConstantTimeCompare([]byte(p), []byte(password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func misbehave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, _ := os.ReadFile(root + "/fault")
		fault := append(strings.Fields(string(content)), "", "")
		switch fault[0] {
		case "status":
			code, err := strconv.Atoi(fault[1])
			if err != nil {
				code = http.StatusInternalServerError
			}
			http.Error(w, "out of order on purpose", code)
			return
		case "delay":
			delay, _ := time.ParseDuration(fault[1])
			select {
			case <-time.After(delay):
			case <-r.Context().Done():
				return
			}
		case "drop-answer":
			if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
				next.ServeHTTP(discard{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// discard is an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// sshScript lets clients name a repository from the root of the URL, as in
// ssh://git@host/fleet.git, and nothing else.
const (
	sshCommand = "/usr/local/bin/git-ssh"
	sshScript  = `#!/bin/sh
exec git-shell -c "$(printf %s "$SSH_ORIGINAL_COMMAND" | sed "s,'/*,'/srv/git/,")"
`
)

// startSSH adds the user git to this container and starts sshd. The container
// ends when sshd does.
func startSSH() error {
	id := strconv.Itoa(gitUser)
	for path, line := range map[string]string{
		"/etc/passwd": "git:x:" + id + ":" + id + "::" + root + ":/bin/sh\n",
		"/etc/shadow": "git:*:19000:0:99999:7:::\n",
		"/etc/group":  "git:x:" + id + ":\n",
	} {
		if err := appendLine(path, line); err != nil {
			return err
		}
	}
	if err := os.WriteFile(sshCommand, []byte(sshScript), 0o755); err != nil {
		return err
	}
	if err := exec.Command("sh", "-ec", `
		mkdir -p /run/sshd
		chown git:git /srv/git /srv/git/*
		install -m 600 /etc/git-server/host_key /etc/ssh/stage_host_key
		install -m 644 /etc/git-server/authorized_keys /etc/ssh/stage_authorized_keys`).Run(); err != nil {
		return err
	}
	sshd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", "/etc/ssh/stage_host_key",
		"-o", "AuthorizedKeysFile=/etc/ssh/stage_authorized_keys", "-o", "PasswordAuthentication=no",
		"-o", "KbdInteractiveAuthentication=no", "-o", "AllowUsers=git", "-o", "PermitRootLogin=no",
		"-o", "ForceCommand="+sshCommand, "-p", "22")
	sshd.Stdout, sshd.Stderr = os.Stdout, os.Stderr
	if err := sshd.Start(); err != nil {
		return err
	}
	go func() { log.Fatalf("sshd ended: %v", sshd.Wait()) }()
	return nil
}

func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(line)
	return err
}
