package failover

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// After is what is to be done about a new failover, with what is still to be done about an earlier one, if there was any.
func After(earlier *v1alpha1.FailoverStatus, instance string, at metav1.Time) v1alpha1.FailoverStatus {
	f := v1alpha1.FailoverStatus{Instance: instance, At: at}
	if earlier != nil {
		f.CopyAgain, f.Suspected, f.Ahead, f.Retry = earlier.CopyAgain, earlier.Suspected, earlier.Ahead, earlier.Retry
	}
	return f
}

// Ask notes databases in which only the side that follows has some commits, and which value of spec.retry, the present one, is no
// answer.
func Ask(f *v1alpha1.FailoverStatus, databases []string, retry string) {
	if len(databases) == 0 {
		return
	}
	f.Ahead, f.Retry = With(f.Ahead, databases), retry
}

// Suspect notes those of the databases that are ahead whose replication isn't severed: they may have commits of the new primary, and
// none that it lacks. It returns the others: a slot that is missing has sent nothing.
func Suspect(f *v1alpha1.FailoverStatus, ahead, severed []string) (others []string) {
	for _, db := range ahead {
		if slices.Contains(severed, db) {
			others = append(others, db)
		} else {
			f.Suspected = With(f.Suspected, []string{db})
		}
	}
	return others
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

// HoldsRows says whether the side that follows may be the only one that has some commits: people were asked about them, or rows are compared to find out.
func HoldsRows(status v1alpha1.PgUpgradeStatus) bool {
	f := status.Failover
	return f != nil && len(f.Ahead)+len(f.Suspected) > 0
}

// AskSuspected asks about those of the databases that are suspected: what differs, or can't be compared any more, may be a commit that only
// the side that follows has.
func AskSuspected(f *v1alpha1.FailoverStatus, databases []string, retry string) {
	suspected := func(db string) bool { return slices.Contains(f.Suspected, db) }
	asked := slices.DeleteFunc(slices.Clone(databases), func(db string) bool { return !suspected(db) })
	Ask(f, asked, retry)
	f.Suspected = slices.DeleteFunc(slices.Clone(f.Suspected), func(db string) bool { return slices.Contains(asked, db) })
}

// TakeDiffering are the databases to be copied again: their rows were found to differ after a failover, and they weren't copied since. Those that
// are suspected are asked about instead. Their comparison is over then.
func TakeDiffering(status *v1alpha1.PgUpgradeStatus, retry string) (again []string) {
	f, v := status.Failover, status.Verification
	if f == nil || v == nil {
		return nil
	}
	differ := slices.DeleteFunc(slices.Clone(v.Differ), func(db string) bool { return slices.Contains(f.Copied, db) })
	if len(differ) == 0 {
		return nil
	}
	AskSuspected(f, differ, retry)
	f.CopyAgain = slices.DeleteFunc(differ, func(db string) bool { return slices.Contains(f.Ahead, db) })
	status.Verification, status.Comparing = nil, nil
	return f.CopyAgain
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
