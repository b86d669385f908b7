// Package e2eutil is what the packages of end-to-end tests have in common: how they begin,
// and how they leave the stage.
package e2eutil

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"testing"
	"time"
)

// Asked says whether tests on the stage were asked for, by GITOVER_E2E=1.
func Asked() bool { return os.Getenv("GITOVER_E2E") == "1" }

// Run prepares the stage and runs the tests of a package. It returns the exit code. What
// cannot be prepared is told, and no test runs. Ctrl-C ends the preparation.
func Run(m *testing.M, prepare func(context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := prepare(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Print a line of progress outside of any test.
func Print(format string, args ...any) {
	fmt.Printf(time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// Leave ends what a test made, when that ends; what a failed test made stays with KEEP=1.
func Leave(t *testing.T, abandon ...func(context.Context) error) {
	t.Cleanup(func() {
		if t.Failed() && os.Getenv("KEEP") == "1" {
			return
		}
		var errs []error
		for _, end := range abandon {
			errs = append(errs, end(context.Background()))
		}
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
}
