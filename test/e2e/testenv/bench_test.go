package testenv

import (
	"testing"
	"time"
)

func TestPgbenchIsReadAsItWrites(t *testing.T) {
	span, err := parseSpan("3 17 12500 0 1763655555 250000 2500\n")
	if err != nil {
		t.Fatal(err)
	}
	if span.Latency() != 10*time.Millisecond || span.End.UnixMicro() != 1763655555250000 {
		t.Errorf("latency %v, end %v", span.Latency(), span.End)
	}
	unpaced, err := parseSpan("3 17 12500 0 1763655555 250000\n")
	if err != nil || unpaced.Latency() != 12500*time.Microsecond {
		t.Errorf("without a rate: latency %v, %v", unpaced.Latency(), err)
	}
	log := "progress: 1.0 s, 300.2 tps, lat 4.112 ms stddev 1.2, lag 0.5 ms, 0 failed\n" +
		"pgbench: error: client 3 script 0 aborted in command 5 query 0: ERROR:  gone\n" +
		"number of transactions actually processed: 3000\nnumber of failed transactions: 2 (0.067%)\n"
	summary, err := summarize(log)
	if err != nil || summary.Transactions != 3000 || summary.Failed != 2 || summary.Aborted != 1 {
		t.Errorf("%+v %v", summary, err)
	}
	if m := progressLine.FindStringSubmatch(log); m == nil || m[1] != "300.2" || m[2] != "4.112" || m[3] != "0" {
		t.Errorf("progress %q", m)
	}
	if _, err := summarize("cut short"); err == nil {
		t.Error("a run without a summary is no success")
	}
}
