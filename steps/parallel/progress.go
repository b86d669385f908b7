package parallel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gitover/gitover/steps/postgres/replication"
)

// Sum of the progress of all databases.
type Sum struct {
	Tables, TablesCopied  int
	Bytes, BytesCopied    int64
	Indexes, IndexesBuilt int
	BytesPerSecond        int64
	Work, WorkDone        int64
	Failures              int
	Left                  time.Duration
	// Failed says which pod failed last, Trying what is tried again now, Slowed why less is read, Trouble what keeps a pod from running, and Silent which
	// Job has not been heard of; empty for none.
	Failed, Trying, Slowed, Trouble, Silent string
}

// silentAfter is how long a copy at work may note nothing before people are told.
const silentAfter = 30 * time.Second

// Progress of all databases. Reads only.
func (c Copy) Progress(ctx context.Context, all []Database) (s Sum, err error) {
	waiting := int64(0)
	for _, d := range all {
		p := d.Record.Progress
		if !d.Recorded || p.Tables == 0 {
			known, err := replication.CopyProgress(ctx, c.Blue, c.Green, d.Name, c.Names)
			if err != nil {
				return s, err
			}
			p.Tables, p.TablesCopied, p.Bytes, p.BytesCopied = known.TablesTotal, known.TablesCopied, known.BytesTotal, known.BytesCopied
			p.Work, p.WorkDone = p.Bytes, p.BytesCopied
			waiting += p.Bytes - p.BytesCopied
		}
		s.Tables, s.TablesCopied = s.Tables+p.Tables, s.TablesCopied+p.TablesCopied
		s.Bytes, s.BytesCopied = s.Bytes+p.Bytes, s.BytesCopied+min(p.BytesCopied, p.Bytes)
		s.Indexes, s.IndexesBuilt = s.Indexes+p.Indexes, s.IndexesBuilt+p.IndexesBuilt
		s.Work, s.WorkDone = s.Work+p.Work, s.WorkDone+p.WorkDone
		s.Failures += d.Job.Failures
		if d.Running() {
			s.add(d)
		}
	}
	if s.Left > 0 && waiting > 0 && s.BytesPerSecond > 0 {
		s.Left += time.Duration(float64(waiting) / float64(s.BytesPerSecond) * float64(time.Second))
	}
	return s, nil
}

// add what a database says whose Job is at work.
func (s *Sum) add(d Database) {
	p := d.Record.Progress
	if p.Slowed != "" {
		s.Slowed = fmt.Sprintf("database %q: %s", d.Name, p.Slowed)
	}
	if p.Problem != "" {
		s.Trying = fmt.Sprintf("database %q: tries again: %s", d.Name, p.Problem)
	}
	switch {
	case d.Job.Message != "":
		s.Trouble = strings.TrimPrefix(d.Job.Message, "; ")
	case d.Recorded && p.Tables > 0 && d.Record.Age > silentAfter:
		s.Silent = fmt.Sprintf("database %q: its Job has not been heard of for %s", d.Name, d.Record.Age.Round(time.Second))
	}
	if d.Job.Failures > 0 {
		s.Failed = fmt.Sprintf("database %q: a pod of its Job failed, %d so far, and the next one continues: %s", d.Name, d.Job.Failures, d.Job.LastFailure)
	}
	if d.Record.Age < silentAfter {
		s.BytesPerSecond += p.BytesPerSecond
		s.Left = max(s.Left, time.Duration(p.SecondsLeft)*time.Second-d.Record.Age)
	}
}
