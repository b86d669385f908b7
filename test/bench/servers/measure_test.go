package servers

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/bench/report"
	"github.com/gitover/gitover/test/pg"
)

// root of the checkout, seen from this package.
const root = "../../.."

var names = postgres.Names{UID: pg.UpgradeUID}

// memory of this process since the last report was begun.
var memory func() (float64, error)

func newReport(b *testing.B, name string) *report.Report {
	var err error
	memory, err = report.WatchMemory()
	must(b, err)
	return report.New(name, root)
}

func write(b *testing.B, r *report.Report) {
	b.Helper()
	var table bytes.Buffer
	must(b, r.Write(root, &table))
	fmt.Printf("\n%s\n", table.String())
}

func seconds(b *testing.B, do func() error) float64 {
	b.Helper()
	begun := time.Now()
	must(b, do())
	return time.Since(begun).Seconds()
}

// roundTrips are how often this process waits for a server's answer meanwhile, logins included. do is given the server as
// it is reached through a proxy that counts.
func roundTrips(b *testing.B, s postgres.Server, do func(postgres.Server) error) float64 {
	b.Helper()
	to := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	var turns atomic.Int64
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				return
			}
			var asking atomic.Bool
			open.Go(func() { relay(server, client, func() { asking.Store(true) }) })
			open.Go(func() {
				relay(client, server, func() {
					if asking.Swap(false) {
						turns.Add(1)
					}
				})
			})
		}
	})
	s.Host, s.Port = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
	must(b, do(s))
	must(b, listener.Close())
	open.Wait()
	return float64(turns.Load())
}

// relay bytes until either side ends; heard before each lot.
func relay(to, from net.Conn, heard func()) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			heard()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// mostMemory is the most resident memory of this process since the report was begun, in MiB.
func mostMemory(b *testing.B) float64 {
	most, err := memory()
	must(b, err)
	return most
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
