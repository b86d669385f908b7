package controllers

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/cluster"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// copying is a move to another version by Jobs that run `gitover copy`. The test is the kubelet: it runs their containers, and starts another pod where
// one fails.
type copying struct {
	*seeding
	from, to int
	// pods of Jobs by their names, and how many of each failed.
	pods   map[string]*process
	failed map[string]int
}

// process is the container of a pod.
type process struct {
	*exec.Cmd
	said  bytes.Buffer
	ended chan struct{}
	err   error
}

// programDirectory is removed when all tests have ended.
var programDirectory string

// program is gitover, compiled once.
var program = sync.OnceValues(func() (_ string, err error) {
	if programDirectory, err = os.MkdirTemp("", "gitover-program-"); err != nil {
		return "", err
	}
	file := filepath.Join(programDirectory, "gitover")
	out, err := exec.Command("go", "build", "-trimpath", "-o", file, "../cmd/gitover").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

// aCopy has green's server up, and stops where the first Job is due: the copy reads 2 MiB a second.
func aCopy(t *testing.T, from, to int) *copying {
	w := &copying{seeding: aMove(t, v1alpha1.CopyParallel, from, to), from: from, to: to, pods: map[string]*process{}, failed: map[string]int{}}
	w.blue.Exec("d", `CREATE TABLE large (id int PRIMARY KEY, n int, what text); INSERT INTO large SELECT g, 0, repeat(md5(g::text), 8) FROM generate_series(1, 40000) g; CREATE INDEX ON large (n, id);
		CREATE TABLE parts (of int REFERENCES large, part int, PRIMARY KEY (of, part)); INSERT INTO parts SELECT g, 1 FROM generate_series(1, 5000) g;
		CREATE TABLE logged (id int NOT NULL, what text); CREATE UNIQUE INDEX logged_by ON logged (id); ALTER TABLE logged REPLICA IDENTITY USING INDEX logged_by; INSERT INTO logged SELECT g, 'x' FROM generate_series(1, 100) g;
		CREATE TABLE kinds (k int PRIMARY KEY, what text) PARTITION BY HASH (k); CREATE TABLE kinds_0 PARTITION OF kinds FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE kinds_1 PARTITION OF kinds FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		INSERT INTO kinds SELECT g, 'x' FROM generate_series(1, 50) g; CREATE INDEX ON kinds (what); COMMENT ON INDEX logged_by IS 'identity';
		CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER noted BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION noted(); ANALYZE`)
	w.r.Self = cluster.Self{Image: "gitover:test"}
	w.u.Spec.Copy.BytesPerSecond = ptr.To(resource.MustParse("2Mi"))
	w.green = pg.Start(t, to, pg.Settings{"wal_level": "logical"})
	w.serve(strconv.Itoa(to))
	t.Cleanup(w.end)
	return w
}

func (w *copying) end() {
	for _, p := range w.pods {
		_ = p.Process.Kill()
		<-p.ended
	}
}

// goes on until a condition, looking and running Jobs again and again.
func (w *copying) goes(what string, is func() bool) {
	w.Helper()
	w.until(what, func() bool { w.kubelet(); return is() })
}

// kubelet runs what Jobs ask for.
func (w *copying) kubelet() {
	w.Helper()
	var jobs batchv1.JobList
	w.must(w.List(w.Context(), &jobs, client.InNamespace(w.namespace)))
	for i := range jobs.Items {
		job := &jobs.Items[i]
		switch pod := w.pods[job.Name]; {
		case job.DeletionTimestamp != nil:
			w.killed(job.Name)
			job.Finalizers = nil
			w.must(client.IgnoreNotFound(w.Update(w.Context(), job)))
		case len(job.Status.Conditions) > 0:
		case !strings.HasPrefix(job.Name, "gitover-copy-"):
			w.runs(job)
			w.ended(job, batchv1.JobComplete, batchv1.JobSuccessCriteriaMet, "CompletionsReached")
		case pod == nil:
			w.pods[job.Name] = w.starts(job)
		default:
			w.looksAt(job, pod)
		}
	}
}

// looksAt a pod that may have ended.
func (w *copying) looksAt(job *batchv1.Job, pod *process) {
	w.Helper()
	select {
	case <-pod.ended:
		delete(w.pods, job.Name)
		w.Logf("%s: %v: %s", job.Name, pod.err, pod.said.String())
		switch code := pod.ProcessState.ExitCode(); code {
		case 0:
			w.ended(job, batchv1.JobComplete, batchv1.JobSuccessCriteriaMet, "CompletionsReached")
		case 2:
			w.ended(job, batchv1.JobFailed, batchv1.JobFailureTarget, "PodFailurePolicy")
		default:
			w.failed[job.Name]++
			job.Status.Failed = int32(w.failed[job.Name])
			w.must(w.Status().Update(w.Context(), job))
		}
	default:
	}
}

// starts the container of a Job's pod on this machine.
func (w *copying) starts(job *batchv1.Job) *process {
	w.Helper()
	file, err := program()
	w.must(err)
	c := job.Spec.Template.Spec.Containers[0]
	plain := func(s string) string { return strings.ReplaceAll(s, "$$", "$") }
	p := &process{ended: make(chan struct{})}
	p.Cmd = exec.Command(file)
	for _, arg := range c.Args {
		p.Args = append(p.Args, plain(arg))
	}
	for _, e := range c.Env {
		value := plain(e.Value)
		if e.ValueFrom != nil {
			var secret corev1.Secret
			w.must(w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: e.ValueFrom.SecretKeyRef.Name}, &secret))
			value = string(secret.Data[e.ValueFrom.SecretKeyRef.Key])
		}
		p.Env = append(p.Env, e.Name+"="+value)
	}
	if strings.Contains(strings.Join(p.Args, " "), pg.Password) {
		w.Errorf("the password is an argument: %q", p.Args)
	}
	p.Stdout, p.Stderr = &p.said, &p.said
	w.must(p.Start())
	go func() { p.err = p.Wait(); close(p.ended) }()
	return p
}

// killed is a pod's end by SIGKILL.
func (w *copying) killed(job string) {
	if p := w.pods[job]; p != nil {
		_ = p.Process.Kill()
		<-p.ended
		delete(w.pods, job)
	}
}

// copyJob is the Job's name that copies, once there is one.
func (w *copying) copyJob() string {
	for name := range w.pods {
		return name
	}
	return ""
}

// halfway: a part of the rows is copied, and green has a record of it.
func (w *copying) halfway() bool {
	c := w.u.Status.Copy
	return len(w.pods) == 1 && c != nil && c.BytesCopied > 3<<20 && c.BytesCopied < c.BytesTotal
}

// same rows on both sides.
func (w *copying) same() {
	w.Helper()
	for _, table := range []string{"t", "large", "parts", "logged", "kinds"} {
		query := fmt.Sprintf("SELECT count(*) || ' ' || coalesce(sum(hashtextextended(x::text, 0)), 0) FROM %s x", table)
		if there, here := w.green.Query("d", query), w.blue.Query("d", query); there != here {
			w.Errorf("%s: %s on green, %s on blue", table, there, here)
		}
	}
}

// jobsOf a kind that are there.
func (w *copying) jobsOf(prefix string) (n int) {
	w.Helper()
	var jobs batchv1.JobList
	w.must(w.List(w.Context(), &jobs, client.InNamespace(w.namespace)))
	for _, j := range jobs.Items {
		if strings.HasPrefix(j.Name, prefix) {
			n++
		}
	}
	return n
}

// TestAParallelCopyBeginsAgainIfAPrimaryWithoutItsSlotTakesOver, once its Job has ended: never beside PostgreSQL's own copy.
func TestAParallelCopyBeginsAgainIfAPrimaryWithoutItsSlotTakesOver(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			w := aCopy(t, versions[0], versions[1])
			standby := w.blue.Standby(t)
			w.u.Spec.Acknowledge = []string{"async_standbys"}
			w.goes("the copy is at work", w.halfway)
			standby.CatchUp(w.blue)
			standby.Stop()
			w.blue.Exec("d", "DELETE FROM large WHERE id > 20000 AND id % 3 = 0; INSERT INTO large SELECT g, 1, 'lost' FROM generate_series(60001, 60100) g")
			first := w.pods[w.copyJob()]
			w.blue.Kill()
			standby.Run()
			standby.Promote()
			w.blue = standby
			w.blue.Exec("d", "DELETE FROM large WHERE id > 39000; INSERT INTO t VALUES (6001, 'after the failover')")
			w.goes("another pod copies", func() bool {
				if n := w.green.Query("d", "SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = 'd')"); n != "0" {
					t.Fatal("PostgreSQL copies, too")
				}
				now := w.pods[w.copyJob()]
				return now != nil && now != first
			})
			if f := w.u.Status.Failover; f == nil || f.Instance != w.u.Status.From || len(f.CopyAgain) > 0 || w.u.Status.Attempt != 1 {
				t.Errorf("%+v, attempt %d", f, w.u.Status.Attempt)
			}
			w.goes("the cutover's commit", func() bool { return w.git.commits[steps.CommitCutover] })
			w.same()
		})
	}
}
