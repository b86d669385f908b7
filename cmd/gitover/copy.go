package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	schemacopy "github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
)

// What `gitover copy` exits with, but for 0.
const (
	exitNotCopied = 1
	exitBadCopy   = 2
)

// copyFlags of the command line.
type copyFlags struct {
	from, to, slot, publication, output string
	rate, memory                        string
	tables                              []string
	jobs                                int
	schema, indexes, cancel, explain    bool
	published                           string
	supervised                          bool
	latency                             time.Duration
}

func copyCommand() *cobra.Command {
	var f copyFlags
	command := &cobra.Command{
		Use:   "copy --from URL --to URL",
		Short: "Copy the rows of a database to a server of another version, in parallel",
		Long: `copy fills the tables of the database that --to names with the rows of those of --from, all of one moment, and builds
their indexes, constraints and statistics as they finish. The tables must exist and be empty: with --schema they are made before, and triggers and the
like after. Without it, make them without what is built faster afterwards (pg_dump --section=pre-data). Versions may differ in either direction.

With --slot, what is committed after that moment is kept by a logical replication slot, which is made if it isn't there, and a copy that was interrupted continues: only
what wasn't done is done again. With --publication the target then subscribes to the source, each table from where it was copied. Without
a slot, an interrupted copy begins again.

The passwords come from GITOVER_FROM_PASSWORD and GITOVER_TO_PASSWORD, from PGPASSWORD for both, or from the password file (PGPASSFILE, ~/.pgpass);
certificates to trust from files (sslrootcert, PGSSLROOTCERT), or from GITOVER_FROM_CA and GITOVER_TO_CA, as PEM.

It exits with 0 when everything is copied, with 1 when it isn't, and with 2 for what it can't do at all.`,
		Example: `  gitover copy --from postgres://postgres@old/shop --to postgres://postgres@new/shop --schema --jobs 8
  gitover copy --from postgres://postgres@old/shop --to postgres://postgres@new/shop --slot shop_copy --publication everything
  gitover copy --from postgres://postgres@old/shop --to postgres://postgres@new/shop --cancel`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := command.Flags()
	flags.StringVar(&f.from, "from", "", "URL of the database to copy, e.g. postgres://postgres@old:5432/shop")
	flags.StringVar(&f.to, "to", "", "URL of the database to fill")
	flags.IntVarP(&f.jobs, "jobs", "j", 4, "workers; each has up to one session on each side")
	flags.StringSliceVar(&f.tables, "tables", nil, "tables to copy, e.g. orders,audit.*; all if left out")
	flags.StringVar(&f.slot, "slot", "", "logical replication slot on the source, for a copy that can continue and be followed")
	flags.StringVar(&f.publication, "publication", "", "publication of the source that the target subscribes to at the end; with --slot")
	flags.StringVar(&f.published, "published", "", "publication of the source whose tables are copied, without a subscription; of other tables only the indexes are built")
	flags.BoolVar(&f.supervised, "supervised", false, "for the Job of an upgrade: note the progress in the target's gitover.copy_run, take the pace from there, wait for an earlier run, and make no slot")
	flags.StringVar(&f.rate, "rate-limit", "", "bytes a second that are read at most, e.g. 50Mi; no limit if left out")
	flags.DurationVar(&f.latency, "commit-latency", 0, "read less while a commit on the source takes longer than this, e.g. 50ms, measured once a second by one of its own")
	flags.BoolVar(&f.schema, "schema", false, "copy the schema, too, by psql, pg_dump and pg_restore of PATH, which must be as new as the newer server")
	flags.BoolVar(&f.indexes, "indexes", true, "build indexes, constraints and foreign keys, and collect statistics")
	flags.StringVar(&f.memory, "maintenance-memory", "", "memory for building an index, e.g. 1Gi; a share of the target's shared_buffers if left out")
	flags.BoolVar(&f.explain, "explain", false, "say how each table travels, and why, before it begins")
	flags.BoolVar(&f.cancel, "cancel", false, "remove what an interrupted copy has left: its rows, its record, and the slot that it made")
	flags.StringVarP(&f.output, "output", "o", "text", "text, or json: an object a line")
	return command
}

// run the command.
func (f copyFlags) run(cmd *cobra.Command) error {
	o, err := f.options()
	if err != nil {
		return &exit{exitBadCopy, err}
	}
	ctx := cmd.Context()
	if f.cancel {
		if err := tablecopy.Cancel(ctx, o); err != nil {
			return &exit{exitBadCopy, err}
		}
		fmt.Fprintln(cmd.OutOrStdout(), "canceled; nothing of the copy is left")
		return nil
	}
	show := &copyView{terminal: terminalOf(cmd.OutOrStdout()), json: f.output == "json"}
	o.Progress = show.progress
	if f.explain {
		o.Explain = show.explain
	}
	report, err := f.copy(ctx, o)
	show.leave()
	switch {
	case ctx.Err() != nil && f.slot != "":
		return &exit{exitNotCopied, errors.New("interrupted: run it again to continue, or with --cancel to remove what is there")}
	case ctx.Err() != nil:
		return &exit{exitNotCopied, errors.New("interrupted: run it again to begin again, or with --cancel to remove what is there")}
	case f.supervised && tablecopy.Final(err):
		return &exit{exitBadCopy, err}
	case err != nil:
		return &exit{exitNotCopied, err}
	}
	return show.report(report, f)
}

// copy everything that the flags ask for, in this order.
func (f copyFlags) copy(ctx context.Context, o tablecopy.Options) (report tablecopy.Report, err error) {
	half := func(phase schemacopy.Phase, leaveOut string) error {
		if !f.schema {
			return nil
		}
		return schemacopy.Local{Phase: phase, From: o.From, To: o.To, FromDatabase: o.FromDatabase, ToDatabase: o.ToDatabase, LeaveOut: leaveOut}.Run(ctx)
	}
	if err := half(schemacopy.PreData, ""); err != nil {
		return report, err
	}
	if report, err = tablecopy.Copy(ctx, o); err != nil {
		return report, err
	}
	built := ""
	if f.indexes {
		built = schemacopy.BuiltSQL
	}
	if err := half(schemacopy.PostData, built); err != nil {
		return report, err
	}
	if f.schema {
		if err := schemacopy.Forget(ctx, o.To, o.ToDatabase); err != nil {
			return report, err
		}
	}
	if f.publication != "" {
		err = tablecopy.Follow(ctx, o, f.publication)
	}
	return report, err
}

// options of the flags.
func (f copyFlags) options() (o tablecopy.Options, err error) {
	switch {
	case f.from == "" || f.to == "":
		return o, errors.New("name both servers: --from URL --to URL")
	case f.output != "text" && f.output != "json":
		return o, fmt.Errorf("there is no output %q; choose text or json", f.output)
	case f.jobs < 1 || f.jobs > 256:
		return o, errors.New("--jobs is a number from 1 to 256")
	case f.schema && len(f.tables) > 0:
		return o, errors.New("--schema copies all of it: leave --tables out")
	case f.latency < 0 || f.latency > 0 && f.latency < time.Millisecond:
		return o, errors.New("--commit-latency is a duration from 1ms on, e.g. 50ms")
	case f.publication != "" && f.slot == "":
		return o, errors.New("a publication needs --slot, which keeps what is committed meanwhile")
	case f.supervised && (f.slot == "" || f.schema || f.publication != "" || f.cancel):
		return o, errors.New("--supervised goes with --slot, and without --schema, --publication and --cancel, which are a controller's part")
	}
	if err := tablecopy.ParseTables(f.tables); err != nil {
		return o, err
	}
	o = tablecopy.Options{Tables: f.tables, Jobs: f.jobs, Slot: f.slot, Indexes: f.indexes, Publication: f.published, Supervised: f.supervised, CommitLatency: f.latency}
	if o.BytesPerSecond, err = quantity("rate-limit", f.rate); err != nil {
		return o, err
	}
	if o.MaintenanceMemory, err = quantity("maintenance-memory", f.memory); err != nil {
		return o, err
	}
	if o.From, err = copyServer("from", f.from); err != nil {
		return o, err
	}
	if o.To, err = copyServer("to", f.to); err != nil {
		return o, err
	}
	o.FromDatabase, o.ToDatabase = o.From.MaintenanceDatabase, o.To.MaintenanceDatabase
	if o.From.Address() == o.To.Address() && o.FromDatabase == o.ToDatabase {
		return o, errors.New("--from and --to are the same database")
	}
	return o, nil
}

// quantity of bytes that a flag gives; 0 for none.
func quantity(flag, value string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	q, err := resource.ParseQuantity(value)
	if err != nil || q.Value() < 1<<20 {
		return 0, fmt.Errorf("--%s is a number of bytes, from 1Mi on, e.g. 50Mi", flag)
	}
	return q.Value(), nil
}

// copyServer of a side, whose password may be in a variable of its own.
func copyServer(side, address string) (postgres.Server, error) {
	s, err := postgres.ParseServer(address)
	if err != nil {
		return s, fmt.Errorf("--%s: %w", side, err)
	}
	if own := os.Getenv("GITOVER_" + strings.ToUpper(side) + "_PASSWORD"); own != "" {
		s.Password = postgres.Password(own)
	}
	if own := os.Getenv("GITOVER_" + strings.ToUpper(side) + "_CA"); own != "" {
		s.CA = []byte(own)
	}
	s.Instance = s.Address()
	return s, nil
}

// copyView is what a person or a program sees of a copy.
type copyView struct {
	*terminal
	json bool
	last time.Time
}

// Between two lines, where there's no terminal to paint on.
const copyLines = 10 * time.Second

func (v *copyView) progress(p tablecopy.Progress) {
	switch {
	case v.json:
		_ = json.NewEncoder(v.out).Encode(map[string]any{"progress": p})
	case v.real:
		width, _ := v.size()
		_ = v.paint([]string{shortened(p.String(), width)})
	case time.Since(v.last) >= copyLines:
		v.last = time.Now()
		fmt.Fprintln(v.out, p)
	}
}

// shortened to the width of a terminal.
func shortened(line string, width int) string {
	if runes := []rune(line); width > 1 && len(runes) >= width {
		return string(runes[:width-1])
	}
	return line
}

func (v *copyView) explain(lines []string) {
	if v.json {
		_ = json.NewEncoder(v.out).Encode(map[string]any{"plan": lines})
		return
	}
	for _, line := range lines {
		fmt.Fprintln(v.out, line)
	}
}

func (v *copyView) report(r tablecopy.Report, f copyFlags) error {
	if v.json {
		return json.NewEncoder(v.out).Encode(map[string]any{"report": r})
	}
	fmt.Fprintf(v.out, "copied in %s: %s\n", time.Duration(r.Seconds*float64(time.Second)).Round(100*time.Millisecond), r.Progress)
	if r.Text > 0 {
		fmt.Fprintf(v.out, "%d tables traveled as text; --explain says why\n", r.Text)
	}
	if len(r.Unvalidated) > 0 {
		fmt.Fprintf(v.out, "tables are of %d moments; once the subscription has caught up, foreign keys need:\n  %s;\n", len(r.Positions), strings.Join(r.Unvalidated, ";\n  "))
	}
	switch {
	case f.publication != "":
		fmt.Fprintf(v.out, "subscription %q applies what was committed since\n", f.slot)
	case f.slot != "":
		fmt.Fprintf(v.out, "slot %q keeps what was committed since: run it again with --publication to follow, or with --cancel\n", f.slot)
	}
	return nil
}
