package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ParseServer reads a URL such as postgres://user@host:5432/db?sslmode=verify-full as libpq does, and uses libpq's variables and
// password file for what it leaves out; the list of databases is read in the URL's database. It refuses a password, which would
// appear in the process's arguments.
func ParseServer(address string) (Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		// the cause would quote the address
		return Server{}, errors.New(`the server is named by a URL: postgres://user@host:5432/database`)
	}
	if _, secret := u.User.Password(); secret || u.Query().Has("password") {
		return Server{}, errors.New("leave the password out of the URL, which every user of this machine can see: put it into PGPASSWORD, or into the file that PGPASSFILE names (~/.pgpass)")
	}
	if strings.Contains(u.Host, ",") {
		return Server{}, errors.New("name one server, the primary")
	}
	config, err := pgconn.ParseConfig(address)
	if err != nil {
		return Server{}, fmt.Errorf("server: %w", err)
	}
	s := Server{Instance: config.Host, Host: config.Host, Port: int(config.Port), User: config.User, Password: Password(config.Password),
		MaintenanceDatabase: config.Database, SSLMode: u.Query().Get("sslmode")}
	if s.SSLMode == "" {
		s.SSLMode = os.Getenv("PGSSLMODE")
	}
	root := u.Query().Get("sslrootcert")
	if root == "" {
		root = os.Getenv("PGSSLROOTCERT")
	}
	if root != "" && root != "system" {
		if s.CA, err = os.ReadFile(root); err != nil {
			return Server{}, fmt.Errorf("certificates to trust: %w", err)
		}
	}
	return s, nil
}
