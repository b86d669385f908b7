package switchover_test

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

// cable carries TCP connections to an address. Cut, it carries nothing and says nothing, as
// a network that drops packets; fixed, what was on the way arrives.
type cable struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	whole chan struct{}
	ends  map[net.Conn]bool
	count int
}

// newCable lays a cable until the test ends.
func newCable(t *testing.T, to string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	c := &cable{listener: listener, to: to, whole: make(chan struct{}), ends: map[net.Conn]bool{}}
	close(c.whole)
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.count++
			c.mu.Unlock()
			carrying.Go(func() { c.carry(near, &carrying) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		c.fix()
		c.mu.Lock()
		for end := range c.ends {
			_ = end.Close()
		}
		c.mu.Unlock()
		carrying.Wait()
	})
	return c
}

func (c *cable) address() string { return c.listener.Addr().String() }

func (c *cable) port() int { return c.listener.Addr().(*net.TCPAddr).Port }

// connections so far.
func (c *cable) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = make(chan struct{})
}

func (c *cable) fix() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.whole:
	default:
		close(c.whole)
	}
}

// leadTo has connections go to another address from now on, and ends those that are.
func (c *cable) leadTo(to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = to
	for end := range c.ends {
		_ = end.Close()
	}
}

// pass returns when the cable is whole.
func (c *cable) pass() {
	c.mu.Lock()
	whole := c.whole
	c.mu.Unlock()
	<-whole
}

func (c *cable) carry(near net.Conn, carrying *sync.WaitGroup) {
	defer c.drop(near)
	c.keep(near)
	c.pass()
	c.mu.Lock()
	to := c.to
	c.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	c.keep(far)
	carrying.Go(func() { c.pump(near, far) })
	c.pump(far, near)
}

// pump carries one direction, and hangs up both when it ends.
func (c *cable) pump(from, to net.Conn) {
	defer c.drop(from)
	defer c.drop(to)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		c.pass()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (c *cable) keep(end net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[end] = true
}

func (c *cable) drop(end net.Conn) {
	_ = end.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ends, end)
}

// wire leads the way to a server through a cable of its own.
func (s *stage) wire(host string, port int) *cable {
	s.t.Helper()
	return newCable(s.t, net.JoinHostPort(host, strconv.Itoa(port)))
}
