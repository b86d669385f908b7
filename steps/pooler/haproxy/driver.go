package haproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gitover/gitover/steps/pooler"
)

// Backend and Server are the names that the agent's file gives to where clients are led.
const (
	Backend = "gitover"
	Server  = "active"
)

// setWait bounds how long HAProxy may take for a new address.
const setWait = time.Second

// Driver leads one HAProxy. Use it by its address.
type Driver struct {
	Socket Socket
	// Frontends that lead to the backend, and that a hold closes.
	Frontends []string
	// LimitsFile remembers what a hold replaces. It lies beside the target file.
	LimitsFile string
	pooler.Addresses
}

// Render implements pooler.Driver.
func (d *Driver) Render(ctx context.Context, t pooler.Target) ([]byte, error) {
	at, err := d.At(ctx, t)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "# Written by gitover-agent. Changes made by hand are lost.\nbackend %s\n    mode tcp\n    server %s %s\n", Backend, Server, at), nil
}

// Connect implements pooler.Driver. The runtime API has no sessions: each command is a connection of its own.
func (d *Driver) Connect(ctx context.Context) (pooler.Session, error) {
	s := &session{Driver: d}
	_, err := s.limits(ctx)
	return s, err
}

type session struct {
	*Driver
	pooler.Connectionless
}

// Rehearse implements pooler.Session: a command that needs the right to change something, and the backend.
func (s *session) Rehearse(ctx context.Context) error {
	server, err := s.server(ctx)
	if err == nil {
		_, err = s.lead(ctx, server["srv_addr"], server["srv_port"])
	}
	return err
}

// Pause implements pooler.Session.
func (s *session) Pause(ctx context.Context) error {
	limits, err := s.limits(ctx)
	if err != nil {
		return err
	}
	kept, none := s.remembered(), map[string]int{}
	for frontend, limit := range limits {
		none[frontend] = 0
		if limit > 0 {
			kept[frontend] = limit // one that is closed already keeps what is remembered of it
		}
	}
	if err := s.remember(kept); err != nil {
		return err
	}
	return s.setLimits(ctx, none)
}

// Resume implements pooler.Session: each frontend that is closed, since an earlier one may have failed halfway.
func (s *session) Resume(ctx context.Context) error {
	limits, err := s.limits(ctx)
	if err != nil {
		return err
	}
	kept := s.remembered()
	for frontend, limit := range limits {
		switch {
		case limit > 0:
			delete(limits, frontend)
		case kept[frontend] > 0:
			limits[frontend] = kept[frontend]
		default:
			if limits[frontend], err = s.most(ctx); err != nil {
				return err
			}
		}
	}
	return s.setLimits(ctx, limits)
}

// Paused implements pooler.Session.
func (s *session) Paused(ctx context.Context) (all, some bool, err error) {
	limits, err := s.limits(ctx)
	all = err == nil
	for _, limit := range limits {
		all, some = all && limit == 0, some || limit == 0
	}
	return all, some, err
}

// Lead implements pooler.Session. Connections to left end: left may be dead, and they would hang.
func (s *session) Lead(ctx context.Context, t, left pooler.Target) error {
	address, err := s.Of(ctx, t.Host)
	if err != nil {
		return err
	}
	before, err := s.server(ctx)
	if err != nil {
		return err
	}
	port := strconv.Itoa(t.Port)
	answer, err := s.lead(ctx, address.String(), port)
	if err != nil {
		return err
	}
	now, err := s.awaitServer(ctx, address.String(), port)
	if err != nil {
		return err
	}
	if now["srv_addr"] != address.String() || now["srv_port"] != port {
		return &pooler.NotLedError{Message: fmt.Sprintf("HAProxy's server %s/%s leads to %s:%s, not to %s:%s: %s",
			Backend, Server, now["srv_addr"], now["srv_port"], address, port, answer)}
	}
	if left.Host != "" && (before["srv_addr"] != now["srv_addr"] || before["srv_port"] != port) {
		_, err = s.Socket.Do(ctx, "shutdown sessions server "+Backend+"/"+Server)
	}
	return err
}

// awaitServer gives HAProxy a moment to do what it said it has done: from 3.0 on it does so a little later.
func (s *session) awaitServer(ctx context.Context, address, port string) (map[string]string, error) {
	for begun := time.Now(); ; {
		now, err := s.server(ctx)
		if err != nil || now["srv_addr"] == address && now["srv_port"] == port || time.Since(begun) > setWait {
			return now, err
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// About implements pooler.Session.
func (s *session) About(ctx context.Context) (pooler.About, error) {
	info, err := s.info(ctx)
	return pooler.About{Version: "HAProxy " + info["Version"]}, err
}

// server is where HAProxy leads now.
func (s *session) server(ctx context.Context) (map[string]string, error) {
	answer, err := s.Socket.Do(ctx, "show servers state "+Backend)
	if err != nil {
		return nil, err
	}
	_, answer, _ = strings.Cut(answer, "\n") // the first line is the format's version
	rows, err := table(answer, ' ')
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row["srv_name"] == Server {
			return row, nil
		}
	}
	return nil, &pooler.RefusedError{Message: fmt.Sprintf("HAProxy has no server %s/%s: start it with -f and the agent's file, too", Backend, Server)}
}

func (s *session) lead(ctx context.Context, address, port string) (string, error) {
	return s.Socket.Do(ctx, fmt.Sprintf("set server %s/%s addr %s port %s", Backend, Server, address, port))
}

// limits in force, by frontend.
func (s *session) limits(ctx context.Context) (map[string]int, error) {
	limits := map[string]int{}
	for _, frontend := range s.Frontends {
		answer, err := s.Socket.Do(ctx, "show stat "+frontend+" 1 -1")
		var refused *pooler.RefusedError
		if err != nil && !errors.As(err, &refused) {
			return nil, err
		}
		rows, err := table(answer, ',')
		if err != nil || len(rows) != 1 {
			return nil, &pooler.RefusedError{Message: fmt.Sprintf("HAProxy has no frontend %q: name those that lead to backend %s by --haproxy-frontends", frontend, Backend)}
		}
		if limits[frontend], err = strconv.Atoi(rows[0]["slim"]); err != nil {
			return nil, fmt.Errorf("HAProxy names no limit of frontend %s", frontend)
		}
	}
	return limits, nil
}

// setLimits tries all frontends, also after one failed.
func (s *session) setLimits(ctx context.Context, limits map[string]int) error {
	var all error
	for frontend, limit := range limits {
		_, err := s.Socket.Do(ctx, fmt.Sprintf("set maxconn frontend %s %d", frontend, limit))
		all = errors.Join(all, err)
	}
	return all
}

// most connections that HAProxy takes at all: the limit of a frontend that says none.
func (s *session) most(ctx context.Context) (int, error) {
	info, err := s.info(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(info["Maxconn"])
}

func (s *session) info(ctx context.Context) (map[string]string, error) {
	answer, err := s.Socket.Do(ctx, "show info")
	info := map[string]string{}
	for line := range strings.SplitSeq(answer, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		info[name] = value
	}
	return info, err
}

// remember limits that a hold replaces, also for an agent that starts again in it.
func (s *session) remember(limits map[string]int) error {
	if len(limits) == 0 {
		return nil
	}
	content, err := json.Marshal(limits)
	if err != nil {
		return err
	}
	return pooler.Write(s.LimitsFile, content)
}

// remembered limits; none if a file is missing or broken.
func (s *session) remembered() map[string]int {
	limits := map[string]int{}
	if content, err := os.ReadFile(s.LimitsFile); err == nil {
		_ = json.Unmarshal(content, &limits)
	}
	return limits
}
