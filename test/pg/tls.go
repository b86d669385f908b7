package pg

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gitover/gitover/test/certs"
)

// RootCert is where a server's own file system has what TrustOthers gave it.
const RootCert = "/mnt/root.crt"

// ServeTLS restarts the server with a certificate. From then on it takes no connection over
// TCP without TLS.
func (s *Server) ServeTLS(pair certs.Pair) {
	s.t.Helper()
	s.write("data/server.crt", pair.Certificate)
	s.write("data/server.key", pair.Key)
	s.write("data/pg_hba.conf", []byte("hostssl all all all scram-sha-256\n"))
	s.Exec("", "ALTER SYSTEM SET ssl = on")
	s.Stop()
	s.Run()
}

// TrustOthers gives the server a CA bundle to check other servers by, at RootCert.
func (s *Server) TrustOthers(bundle []byte) {
	s.t.Helper()
	s.write("root.crt", bundle)
}

// Ask restarts the server with a way of its own to ask a user for a password: "password",
// "md5", "trust", as in pg_hba.conf.
func (s *Server) Ask(user, method string) {
	s.t.Helper()
	s.write("data/pg_hba.conf", fmt.Appendf(nil, "host all %s all %s\nhost all all all scram-sha-256\n", user, method))
	s.Stop()
	s.Run()
}

func (s *Server) write(name string, content []byte) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chown(path, uid, uid); err != nil {
		s.t.Fatal(err)
	}
}
