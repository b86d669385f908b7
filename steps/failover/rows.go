package failover

import (
	"slices"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Ask notes databases in which only the side that follows has some commits, and which value of spec.retry, the present one, is no
// answer.
func Ask(f *v1alpha1.FailoverStatus, databases []string, retry string) {
	if len(databases) == 0 {
		return
	}
	f.Ahead, f.Retry = With(f.Ahead, databases), retry
}

// Consent has what was asked about copied again, too.
func Consent(f *v1alpha1.FailoverStatus) {
	f.CopyAgain, f.Ahead, f.Retry = With(f.CopyAgain, f.Ahead), nil, ""
}

// NoteCopied notes that databases were copied again; nothing if the failover is recovered from.
func NoteCopied(f *v1alpha1.FailoverStatus, databases []string) {
	if f == nil {
		return
	}
	f.CopyAgain = slices.DeleteFunc(slices.Clone(f.CopyAgain), func(db string) bool { return slices.Contains(databases, db) })
	f.Copied = With(f.Copied, databases)
}

// HoldsRows says whether the side that follows may be the only one that has some commits, about which people were asked.
func HoldsRows(status v1alpha1.PgUpgradeStatus) bool {
	return status.Failover != nil && len(status.Failover.Ahead) > 0
}

// TakeDiffering are the databases whose rows were found to differ after a failover, and that weren't copied again since. Their
// comparison is over then.
func TakeDiffering(status *v1alpha1.PgUpgradeStatus) []string {
	f, v := status.Failover, status.Verification
	if f == nil || v == nil {
		return nil
	}
	again := slices.DeleteFunc(slices.Clone(v.Differ), func(db string) bool { return slices.Contains(f.Copied, db) })
	if len(again) > 0 {
		f.CopyAgain = again
		status.Verification, status.Comparing = nil, nil
	}
	return again
}

// With more names, each of them once.
func With(names, more []string) []string {
	all := slices.Clone(names)
	for _, name := range more {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
