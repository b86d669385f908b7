package testenv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/test/ledger"
)

// benchImage has the newest pgbench that every stage brings along.
const benchImage = "gitover.local/postgres:17"

// Bench is pgbench in a pod, as an application.
type Bench struct {
	app *App
	pod string
	// spans read so far, of the same number of lines.
	spans []ledger.Span
}

// SeedBench runs pgbench's initialization on an instance: 15 MiB for each unit of scale.
func (a *App) SeedBench(ctx context.Context, instance string, scale int) error {
	pod := a.benchPod("pgbench-seed", instance, "pgbench", "--initialize", "--quiet", "--scale", strconv.Itoa(scale), Databases[0])
	if err := a.runPod(ctx, pod, fmt.Sprintf("pgbench data, about %d MiB", 15*scale)); err != nil {
		return err
	}
	// The one table of pgbench without a key; the preflight asks for this.
	return a.Run(ctx, instance, Databases[0], "ALTER TABLE pgbench_history REPLICA IDENTITY FULL")
}

// BenchOptions say how pgbench runs.
type BenchOptions struct {
	Clients int
	// Rate in transactions per second; 0: as many as the clients can.
	Rate float64
	// Protocol of pgbench: prepared, if it is empty.
	Protocol string
}

// StartBench begins to run pgbench's own transactions through the poolers, with a log of each transaction.
func (a *App) StartBench(ctx context.Context, o BenchOptions) (*Bench, error) {
	args := []string{"pgbench", "--no-vacuum", "--protocol", cmp.Or(o.Protocol, "prepared"), "--client", strconv.Itoa(o.Clients), "--jobs", "1",
		"--time", "86400", "--progress", "1", "--log", "--log-prefix", "/tmp/transactions"}
	if o.Rate > 0 {
		args = append(args, "--rate", strconv.FormatFloat(o.Rate, 'f', -1, 64))
	}
	pod := a.benchPod("pgbench", Endpoint, append(args, Databases[0])...)
	if err := a.Client.Create(ctx, pod); err != nil {
		return nil, err
	}
	bench := &Bench{app: a, pod: pod.Name}
	return bench, a.Await(ctx, time.Minute, a.Namespace+": pgbench runs", func(ctx context.Context) (bool, string, error) {
		progress := bench.Progress(ctx)
		phase, err := a.podPhase(ctx, pod.Name)
		if phase == corev1.PodFailed {
			err = fmt.Errorf("pgbench failed: %s", a.logs(ctx, pod.Name, 5))
		}
		return progress.Rate > 0, string(phase) + ": " + tail(a.logs(ctx, pod.Name, 3), 300), err
	})
}

// Progress is what pgbench last said.
type Progress struct {
	// Rate in transactions per second.
	Rate float64
	// Latency in milliseconds, the mean of the last second.
	Latency float64
	Failed  int
}

var progressLine = regexp.MustCompile(`progress: [\d.]+ s, ([\d.]+) tps, lat ([\d.]+|NaN) ms.*?, (\d+) failed`)

// Progress of the last second.
func (b *Bench) Progress(ctx context.Context) Progress {
	matches := progressLine.FindAllStringSubmatch(b.app.logs(ctx, b.pod, 3), -1)
	if len(matches) == 0 {
		return Progress{}
	}
	last := matches[len(matches)-1]
	rate, _ := strconv.ParseFloat(last[1], 64) // the pattern admits nothing else
	latency, _ := strconv.ParseFloat(last[2], 64)
	failed, _ := strconv.Atoi(last[3])
	return Progress{Rate: rate, Latency: latency, Failed: failed}
}

// Spans of all transactions, except the last second or two: pgbench writes its log in
// blocks. Only what is new is read.
func (b *Bench) Spans(ctx context.Context) ([]ledger.Span, error) {
	out, err := b.app.Exec(ctx, b.app.Namespace, b.pod, "tail", "-n", fmt.Sprintf("+%d", len(b.spans)+1), "/tmp/transactions.1")
	if err != nil {
		return b.spans, err
	}
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(line, "\n") {
			break // half a block
		}
		span, err := parseSpan(line)
		if err != nil {
			return b.spans, err
		}
		b.spans = append(b.spans, span)
	}
	return b.spans, nil
}

// parseSpan reads a line of pgbench's log (pgbench's documentation, "Per-Transaction
// Logging"): client, transaction, microseconds since it was due, script, time of its end
// in seconds and microseconds, microseconds by which it began late.
func parseSpan(line string) (ledger.Span, error) {
	fields := strings.Fields(line)
	if len(fields) == 6 { // without a rate nothing begins late
		fields = append(fields, "0")
	}
	if len(fields) < 7 {
		return ledger.Span{}, fmt.Errorf("pgbench's log has the line %q", line)
	}
	numbers := [7]int64{}
	for _, i := range []int{2, 4, 5, 6} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil && fields[i] != "failed" {
			return ledger.Span{}, fmt.Errorf("pgbench's log has the line %q", line)
		}
		numbers[i] = n
	}
	end := time.Unix(numbers[4], numbers[5]*1000)
	return ledger.Span{Start: end.Add(-time.Duration(numbers[2]-numbers[6]) * time.Microsecond), End: end}, nil
}

// Summary of a whole run.
type Summary struct {
	Transactions int
	// Failed transactions, by pgbench's own count.
	Failed int
	// Aborted clients, which pgbench leaves out of that count.
	Aborted int
	// Complaints, the first few.
	Complaints []string
}

var (
	processedLine = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	failedLine    = regexp.MustCompile(`number of failed transactions: (\d+)`)
)

// Stop ends the run in order, as if its time were up, and sums up.
func (b *Bench) Stop(ctx context.Context) (Summary, error) {
	if _, err := b.app.Exec(ctx, b.app.Namespace, b.pod, "sh", "-c", "kill -ALRM 1"); err != nil {
		return Summary{}, err
	}
	err := b.app.Await(ctx, time.Minute, b.app.Namespace+": pgbench ends", func(ctx context.Context) (bool, string, error) {
		phase, err := b.app.podPhase(ctx, b.pod)
		return phase == corev1.PodSucceeded || phase == corev1.PodFailed, string(phase), err
	})
	if err != nil {
		return Summary{}, err
	}
	summary, err := summarize(b.app.logs(ctx, b.pod, 0))
	return summary, errors.Join(err, b.app.deletePod(ctx, b.pod))
}

// StopBench removes a pgbench that doesn't run as it should.
func (a *App) StopBench(ctx context.Context) error { return a.deletePod(ctx, "pgbench") }

// deletePod and wait until it is gone.
func (a *App) deletePod(ctx context.Context, name string) error {
	if err := a.Client.Delete(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: name}}); err != nil {
		return err
	}
	return a.Await(ctx, time.Minute, "pod "+name+" is gone", func(ctx context.Context) (bool, string, error) {
		phase, err := a.podPhase(ctx, name)
		return apierrors.IsNotFound(err), string(phase), client.IgnoreNotFound(err)
	})
}

// RunTool runs a script with PostgreSQL's newest programs in a pod, as the superuser of an instance, to its end.
func (a *App) RunTool(ctx context.Context, name, instance, script string) error {
	pod := a.benchPod(name, instance, "sh", "-c", script)
	env := pod.Spec.Containers[0].Env
	env[1].Value = a.SuperuserSecret()["username"]
	env[2].ValueFrom.SecretKeyRef.Name = "orders-superuser"
	return a.runPod(ctx, pod, name)
}

// runPod to its end, and remove it.
func (a *App) runPod(ctx context.Context, pod *corev1.Pod, what string) error {
	if err := a.Client.Create(ctx, pod); err != nil {
		return err
	}
	err := a.Await(ctx, 15*time.Minute, a.Namespace+": "+what, func(ctx context.Context) (bool, string, error) {
		phase, err := a.podPhase(ctx, pod.Name)
		if phase == corev1.PodFailed {
			err = fmt.Errorf("%s failed: %s", pod.Name, a.logs(ctx, pod.Name, 5))
		}
		return phase == corev1.PodSucceeded, string(phase), err
	})
	return errors.Join(err, a.deletePod(context.WithoutCancel(ctx), pod.Name))
}

func summarize(log string) (Summary, error) {
	var s Summary
	for _, line := range strings.Split(log, "\n") {
		if strings.Contains(line, " aborted ") || strings.Contains(line, "error:") {
			if strings.Contains(line, "client") {
				s.Aborted++
			}
			if len(s.Complaints) < 5 {
				s.Complaints = append(s.Complaints, line)
			}
		}
	}
	processed, failed := processedLine.FindStringSubmatch(log), failedLine.FindStringSubmatch(log)
	if processed == nil || failed == nil {
		return s, fmt.Errorf("pgbench gave no summary; it ends with: %s", tail(log, 300))
	}
	s.Transactions, _ = strconv.Atoi(processed[1]) // digits
	s.Failed, _ = strconv.Atoi(failed[1])
	return s, nil
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (a *App) podPhase(ctx context.Context, name string) (corev1.PodPhase, error) {
	var pod corev1.Pod
	err := a.Client.Get(ctx, a.key(name), &pod)
	return pod.Status.Phase, err
}

// logs of a pod: its last lines, or all of them for 0. A pod without logs has none.
func (a *App) logs(ctx context.Context, pod string, lines int64) string {
	options := &corev1.PodLogOptions{}
	if lines > 0 {
		options.TailLines = &lines
	}
	out, err := a.Pods.CoreV1().Pods(a.Namespace).GetLogs(pod, options).DoRaw(ctx)
	if err != nil {
		return ""
	}
	return string(out)
}

func (a *App) benchPod(name, host string, args ...string) *corev1.Pod {
	no, yes, user := false, true, int64(999)
	password := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "orders-app"}, Key: "password"}}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: &no,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "pgbench", Image: benchImage, ImagePullPolicy: corev1.PullIfNotPresent, Command: args,
				Env:             []corev1.EnvVar{{Name: "PGHOST", Value: host}, {Name: "PGUSER", Value: AppRole}, {Name: "PGPASSWORD", ValueFrom: password}},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
}
