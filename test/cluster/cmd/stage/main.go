// Command stage raises and removes the stage: a one-node Kubernetes with Flux, a
// Git server and PostgreSQL images, in namespaces of its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	cluster "github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/cluster/provision"
	"github.com/gitover/gitover/test/cluster/supervisor"
)

const usage = `usage: stage <command>

  up [image …]      start everything; more images than the default: postgres-13, postgres-18, postgres-19, haproxy, nginx
  build [image …]   compile and make images as for up, and start nothing
  apiserver         compile an API server for tests that need no stage, and start nothing
  down              end it and remove all but the caches
  status            processes, memory, pods
  images [image …]  make images; a running stage gets them at once
  load-gitover      compile gitover and bring it into the running stage
  exec <program …>  run a program inside the node (its network, root and processes)
  heal              undo what a killed test has left: cuts, pauses, stopped parts, Git faults
  merge <branch>    merge a branch of the fleet repository into main, as a merge request does
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := inside(ctx, os.Args[1], os.Args[2:])
	if errors.Is(err, errUnknown) {
		err = outside(ctx, os.Args[1], os.Args[2:])
	}
	stop()
	if errors.Is(err, errUnknown) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
		os.Exit(1)
	}
}

var errUnknown = errors.New("unknown command")

// inside are the commands that the stage runs within the node.
func inside(ctx context.Context, command string, args []string) error {
	switch {
	case command == supervisor.EnterCommand && len(args) == 1:
		return supervisor.Enter(args[0])
	case command == supervisor.RunCommand && len(args) == 1:
		return supervisor.Run(args[0])
	case command == "provisioner" && len(args) == 2:
		return provision.Run(ctx, args[0], args[1])
	case command == supervisor.ImportCommand && len(args) == 1:
		var item supervisor.Import
		if err := json.Unmarshal([]byte(args[0]), &item); err != nil {
			return err
		}
		return supervisor.ImportImage(ctx, item)
	}
	return errUnknown
}

// outside are the commands for people.
func outside(ctx context.Context, command string, args []string) error {
	stage, err := cluster.At(".")
	if err != nil {
		return err
	}
	switch command {
	case "up":
		return stage.Up(ctx, args)
	case "build":
		return stage.Build(ctx, args)
	case "apiserver":
		return stage.BuildAPIServer(ctx)
	case "down":
		return stage.Down(ctx)
	case "status":
		return stage.Status(ctx)
	case "images":
		return stage.LoadImages(ctx, args)
	case "load-gitover":
		changed, err := stage.LoadGitover(ctx)
		fmt.Println("changed:", changed)
		return err
	case "exec":
		cmd, err := stage.Command(ctx, args...)
		if err != nil {
			return err
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		var exit *exec.ExitError
		err = cmd.Run()
		if errors.As(err, &exit) {
			os.Exit(exit.ExitCode())
		}
		return err
	case "heal":
		return stage.Heal(ctx)
	case "merge":
		opened, err := cluster.Open(".")
		if err != nil || len(args) != 1 {
			return errors.Join(err, errUnknown)
		}
		commit, err := opened.Git.MergeBranch(ctx, args[0], "Merge branch '"+args[0]+"'")
		fmt.Println(commit)
		return err
	}
	return errUnknown
}
