package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/gitover/gitover/api/v1alpha1"
)

// root is the span of a whole upgrade, or of a whole switch.
const root = "root"

// traceOf an upgrade as it runs.
func traceOf(u *v1alpha1.PgUpgrade) string { return string(u.UID) + "/" + u.Status.Run }

// Step sends the span of a step that has ended, while the status still has its run.
func (t *Tracer) Step(u *v1alpha1.PgUpgrade, step v1alpha1.StepStatus) {
	if t == nil || step.StartedAt == nil || step.FinishedAt == nil {
		return
	}
	t.send(traceOf(u), span{
		thing: step.Name + "/" + step.StartedAt.UTC().Format(time.RFC3339), within: root, name: step.Name,
		start: step.StartedAt.Time, end: step.FinishedAt.Time,
		attributes: append(upgradeAttributes(u), attribute.String("gitover.workflow", u.Status.Workflow), attribute.String("gitover.message", step.Message)),
	})
}

// Run sends the span of an upgrade that has ended, while the status still has its run.
func (t *Tracer) Run(u *v1alpha1.PgUpgrade, entry v1alpha1.HistoryEntry) {
	if t == nil || entry.StartedAt == nil {
		return
	}
	t.send(traceOf(u), span{
		thing: root, name: "Upgrade " + entry.From + " to " + entry.To, start: entry.StartedAt.Time, end: entry.FinishedAt.Time,
		attributes: append(upgradeAttributes(u), attribute.String("gitover.outcome", entry.Outcome)),
	})
}

func upgradeAttributes(u *v1alpha1.PgUpgrade) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("k8s.namespace.name", u.Namespace), attribute.String("gitover.upgrade", u.Name), attribute.String("gitover.run", u.Status.Run),
		attribute.String("gitover.from", u.Status.From), attribute.String("gitover.to", u.Status.To),
	}
}

// Switch sends a switch that has ended and its parts. One that held no traffic, or that another controller began, has no times
// and sends nothing.
func (t *Tracer) Switch(p *v1alpha1.PgProxy, s v1alpha1.SwitchRecord) {
	if t == nil || s.HeldAt == nil {
		return
	}
	common := []attribute.KeyValue{
		attribute.String("k8s.namespace.name", p.Namespace), attribute.String("gitover.proxy", p.Name), attribute.String("gitover.switch", s.ID),
		attribute.String("gitover.from", s.From), attribute.String("gitover.to", s.To), attribute.String("gitover.outcome", s.Outcome),
	}
	if s.Commit != nil {
		common = append(common, attribute.String("gitover.commit", s.Commit.SHA))
	}
	for _, part := range anatomy(s) {
		part.attributes = common
		t.send(string(p.UID)+"/"+s.ID, part)
	}
}

// held is the span of the time that traffic was held.
const held = "held"

// moving are the parts that begin together behind the fence.
var moving = []string{"drain", "sequences", "copy", "flip"}

// anatomy of a switch: the whole, and when each part was. The status has how long each took; the order of steps/switchover has the rest. Of a
// switch that was aborted only the beginning is certain.
func anatomy(s v1alpha1.SwitchRecord) []span {
	took := func(part string) time.Duration { return time.Duration(s.Parts[part]) * time.Microsecond }
	begun := s.HeldAt.Time
	ended := begun.Add(time.Duration(s.HeldMicroseconds) * time.Microsecond)
	prepare := begun.Add(-took("prepare"))
	spans := []span{
		{thing: root, name: "Switch " + s.From + " to " + s.To, start: prepare, end: ended.Add(took("finish")), failed: s.Reason},
		{thing: held, within: root, name: held, start: begun, end: ended},
	}
	add := func(within, part string, start time.Time) {
		if took(part) > 0 {
			spans = append(spans, span{thing: part, within: within, name: part, start: start, end: start.Add(took(part))})
		}
	}
	add(root, "prepare", prepare)
	add(held, "hold", begun)
	if s.Outcome != "Switched" {
		return spans
	}
	resume := ended.Add(-took("resume"))
	open := resume.Add(-took("open"))
	decide := open.Add(-took("decide"))
	var longest time.Duration
	for _, part := range moving {
		longest = max(longest, took(part))
	}
	move := decide.Add(-longest)
	add(held, "fence", move.Add(-took("fence")))
	for _, part := range moving {
		add(held, part, move)
	}
	add(held, "decide", decide)
	add(held, "open", open)
	add(held, "resume", resume)
	add(root, "finish", ended)
	return spans
}
