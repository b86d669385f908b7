package main

import (
	"io"
	"net"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// wire leads to the API server, and can be cut.
type wire struct {
	to string

	mu    sync.Mutex
	is    bool // cut
	conns []net.Conn
}

// wire that the person's kubeconfig leads through from here on.
func (p *person) wire() *wire {
	p.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	p.must(err)
	p.Cleanup(func() { listener.Close() })
	w := &wire{to: strings.Trim(strings.TrimPrefix(api.Host, "https://"), "/")}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			w.carry(conn)
		}
	}()
	config := rest.CopyConfig(api)
	config.Host = "https://" + listener.Addr().String()
	p.kubeconfig(config)
	return w
}

func (w *wire) carry(conn net.Conn) {
	server, err := net.Dial("tcp", w.to)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.is || err != nil {
		conn.Close()
		return
	}
	w.conns = append(w.conns, conn, server)
	go func() { _, _ = io.Copy(server, conn); server.Close() }()
	go func() { _, _ = io.Copy(conn, server); conn.Close() }()
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.is = true
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func (w *wire) join() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.is = false
}
