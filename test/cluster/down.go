package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gitover/gitover/test/cluster/run"
	"github.com/gitover/gitover/test/cluster/supervisor"
)

// Down ends the stage and removes everything but the caches. It is harmless when
// there is nothing.
func (s *Stage) Down(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("taking the stage down needs root: run the same command with sudo")
	}
	if err := s.checkOtherStage(); err != nil {
		return err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return s.remove(ctx)
}

// lock lets one command at a time change the stage.
func (s *Stage) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.layout.Cache, 0o755); err != nil {
		return nil, err
	}
	return run.Lock(ctx, filepath.Join(s.layout.Cache, ".stage.lock"))
}

func (s *Stage) remove(ctx context.Context) error {
	if err := supervisor.Remove(ctx, s.layout); err != nil {
		return err
	}
	s.pid = 0
	if err := os.RemoveAll(s.layout.State()); err != nil {
		return fmt.Errorf("removing the stage's state: %w", err)
	}
	return nil
}
