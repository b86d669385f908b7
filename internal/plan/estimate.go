package plan

import (
	"cmp"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

const (
	// assumedRate of a copy in bytes a second: about what the demo reaches with everything on two cores (README, "Measured").
	assumedRate = 50 << 20
	// assumedStall is above the worst one of the demo (README, "Measured").
	assumedStall = 200 * time.Millisecond
	defaultHold  = 10 * time.Second
	defaultSoak  = 24 * time.Hour
)

// Copy is what the initial copy moves, and how long that should take.
type Copy struct {
	Bytes          int64 `json:"bytes"`
	BytesPerSecond int64 `json:"bytesPerSecond"`
	// RateFrom says where the rate comes from.
	RateFrom string `json:"rateFrom"`
	Seconds  int64  `json:"seconds"`
}

// Capacity is a setting of the server that serves.
type Capacity struct {
	Setting    string `json:"setting"`
	Configured int64  `json:"configured"`
	Needed     int64  `json:"needed"`
}

// Volume that manifests request.
type Volume struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// Disk is what either side needs.
type Disk struct {
	// WALBytes that the server that serves keeps during the copy, if it writes WALBytesPerSecond as it did on average; and
	// the limit of slots in bytes, -1 for none.
	WALBytesPerSecond int64 `json:"walBytesPerSecond,omitempty"`
	WALBytes          int64 `json:"walBytes,omitempty"`
	WALLimit          int64 `json:"walLimitBytes"`
	// NewBytes that the new server's volume holds at least: tables, indexes, and WAL between checkpoints.
	NewBytes   int64    `json:"newServerBytes"`
	OldVolumes []Volume `json:"oldVolumes,omitempty"`
	NewVolumes []Volume `json:"newVolumes,omitempty"`
}

// Stall is the longest time that a statement waits for the switch.
type Stall struct {
	Milliseconds float64 `json:"milliseconds"`
	// From says where the number comes from.
	From string `json:"from"`
	// LimitSeconds is spec.switch.holdLimit, after which traffic is released whatever happens.
	LimitSeconds float64 `json:"limitSeconds"`
}

func (p *Plan) estimate(r Request, before, after []Volume) {
	s := r.Server
	if s == nil {
		return
	}
	p.Copy = copyOf(r)
	for _, c := range s.Capacity {
		p.Capacity = append(p.Capacity, Capacity{c.Setting, c.Configured, c.Needed})
	}
	d := &Disk{WALBytesPerSecond: s.WALRate, WALBytes: s.WALRate * p.Copy.Seconds, WALLimit: s.KeptWAL, NewBytes: s.MaxWAL, OldVolumes: before, NewVolumes: after}
	for _, db := range s.Databases {
		d.NewBytes += db.TableBytes + db.IndexBytes
	}
	p.Disk = d
	if s.KeptWAL >= 0 && d.WALBytes > s.KeptWAL {
		p.note("The copy keeps about %s of WAL, more than max_slot_wal_keep_size (%s) lets it: raise that, or copy when less is written. A slot that is cut off means that the database is copied again.",
			postgres.HumanBytes(d.WALBytes), postgres.HumanBytes(s.KeptWAL))
	}
	if len(after) == 1 && after[0].Bytes < d.NewBytes {
		p.note("Volume %s of %s requests %s, less than the %s that the data needs: request more in the base, or by spec.instance.patches.",
			after[0].Name, p.To, postgres.HumanBytes(after[0].Bytes), postgres.HumanBytes(d.NewBytes))
	}
	if s.WALRate == 0 {
		p.note("How much WAL is written isn't known: PostgreSQL counts it from 14 on.")
	}
}

// copyOf the databases, at the rate that is known best.
func copyOf(r Request) *Copy {
	c := &Copy{BytesPerSecond: assumedRate, RateFrom: "assumed, about what the demo reaches on two cores; --copy-rate gives yours"}
	if last := r.Upgrade.Status.Copy; last != nil && last.BytesPerSecond > 0 && last.BytesCopied == last.BytesTotal {
		c.BytesPerSecond, c.RateFrom = last.BytesPerSecond, "of the last copy of this database"
	}
	if r.CopyRate > 0 {
		c.BytesPerSecond, c.RateFrom = r.CopyRate, "given by --copy-rate"
	}
	for _, d := range r.Server.Databases {
		c.Bytes += d.TableBytes
	}
	c.Seconds = (c.Bytes + c.BytesPerSecond - 1) / c.BytesPerSecond
	return c
}

// stallOf the last switches, or what is documented.
func stallOf(proxy *v1alpha1.PgProxy) Stall {
	stall := Stall{Milliseconds: float64(assumedStall.Milliseconds()), From: "above the demo's worst; there was no switch of this database yet", LimitSeconds: defaultHold.Seconds()}
	if proxy == nil {
		return stall
	}
	if limit := proxy.Spec.Switch.HoldLimit; limit != nil {
		stall.LimitSeconds = limit.Seconds()
	}
	switches, worst := 0, int64(0)
	for _, s := range proxy.Status.Switches {
		if s.Outcome == "Switched" && s.HeldMicroseconds > 0 {
			switches++
			worst = max(worst, s.HeldMicroseconds)
		}
	}
	if switches > 0 {
		stall.Milliseconds, stall.From = float64(worst)/1000, fmt.Sprintf("the longest of the last %d switches", switches)
	}
	return stall
}

// rollbackOf an upgrade: what it costs to go back, and until when.
func rollbackOf(u *v1alpha1.PgUpgrade) []string {
	soak := defaultSoak
	if d := u.Spec.Soak.Duration; d != nil {
		soak = d.Duration
	}
	until := "for " + duration.HumanDuration(soak)
	if u.Spec.Soak.Finalize == "Manual" {
		until = "until a commit finalizes the upgrade (spec.soak.finalize: Manual)"
	}
	removed := "the old server is removed"
	if a := u.Spec.Adopt; a != nil && a.Name == u.Status.From && a.Path == "" {
		removed = "the old server stays, fenced, and is yours to remove"
	}
	return []string{
		"Before the cutover: take the version back. The new server is removed again; clients notice nothing.",
		fmt.Sprintf("After the cutover, %s: git revert of the cutover commit. It is a switch like the cutover, with the same stall, and loses no row.", until),
		"All that time both servers run, and the new one keeps WAL for the old one.",
		fmt.Sprintf("Later: %s. Back to PostgreSQL %s is a new upgrade then, with a copy as long as this one.", removed, steps.VersionOf(u.Name, u.Spec.Adopt, u.Status.From)),
	}
}

// claimsOf objects: the volumes that they request.
func claimsOf(objects []*unstructured.Unstructured) (volumes []Volume) {
	add := func(name string, claim map[string]any) {
		text, _, _ := unstructured.NestedString(claim, "spec", "resources", "requests", "storage")
		if q, err := resource.ParseQuantity(text); err == nil {
			volumes = append(volumes, Volume{name, q.Value()})
		}
	}
	for _, o := range objects {
		switch o.GetKind() {
		case "PersistentVolumeClaim":
			add(o.GetName(), o.Object)
		case "StatefulSet":
			found, _, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "volumeClaimTemplates")
			templates, _ := found.([]any)
			for _, t := range templates {
				if claim, ok := t.(map[string]any); ok {
					name, _, _ := unstructured.NestedString(claim, "metadata", "name")
					add(cmp.Or(name, o.GetName()), claim)
				}
			}
		}
	}
	return volumes
}
