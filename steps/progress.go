package steps

import (
	"fmt"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// showProgress fills status.copy; the rate is over the whole copy, which is steadier
// than the last second's.
func showProgress(run *Run, p replication.Progress) {
	c := &v1alpha1.CopyStatus{
		TablesTotal: int32(p.TablesTotal), TablesCopied: int32(p.TablesCopied),
		BytesTotal: p.BytesTotal, BytesCopied: min(p.BytesCopied, p.BytesTotal),
	}
	if old := run.Status.Copy; old != nil {
		c.Failures, c.FailedAt = old.Failures, old.FailedAt
	}
	if p.BytesTotal > 0 {
		c.Percent = fmt.Sprintf("%d%%", c.BytesCopied*100/p.BytesTotal)
	}
	if p.TablesCopied == p.TablesTotal {
		c.Percent, c.BytesCopied = "100%", c.BytesTotal
	}
	if began := startedAt(run.Status, CopyData); !began.IsZero() {
		if seconds := run.Now().Sub(began).Seconds(); seconds > 0 {
			c.BytesPerSecond = int64(float64(c.BytesCopied) / seconds)
		}
	}
	if c.BytesPerSecond > 0 && c.BytesCopied < c.BytesTotal {
		eta := timestamp(run.Now().Add(time.Duration((c.BytesTotal - c.BytesCopied) / c.BytesPerSecond * int64(time.Second))))
		c.ETA = &eta
	}
	run.Status.Copy = c
}

func progressText(c *v1alpha1.CopyStatus) string {
	text := fmt.Sprintf("%s of %s, %d of %d tables, %s/s", humanBytes(c.BytesCopied), humanBytes(c.BytesTotal),
		c.TablesCopied, c.TablesTotal, humanBytes(c.BytesPerSecond))
	if c.ETA != nil {
		text += ", done about " + c.ETA.UTC().Format("15:04:05") + " UTC"
	}
	return text
}

func startedAt(status *v1alpha1.PgUpgradeStatus, step string) time.Time {
	for _, s := range status.Steps {
		if s.Name == step && s.StartedAt != nil {
			return s.StartedAt.Time
		}
	}
	return time.Time{}
}

func humanBytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, suffix := float64(n), ""
	for _, s := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		value /= unit
		if suffix = s; value < unit {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, suffix)
}
