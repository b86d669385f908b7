package copy_test

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/copy"
)

func TestTheJobThatCopiesTablesIsWhatTheGoldenFileSays(t *testing.T) {
	r := request()
	job := copy.TablesJob(copy.TablesRequest{
		Namespace: r.Namespace, Owner: r.Owner, Labels: r.Labels, Name: copy.TablesJobName(r.UpgradeUID, r.Run, r.Database, 1), Database: r.Database,
		Blue: r.Blue, Green: r.Green, Slot: "gitover_slot", Publication: "gitover_publication", Workers: 4, BytesPerSecond: 100 << 20, CommitLatency: 50e6, Image: "gitover:1",
	})
	for _, arg := range job.Spec.Template.Spec.Containers[0].Args {
		if strings.Contains(strings.ReplaceAll(arg, "$$", ""), "$") || strings.Contains(arg, "CERTIFICATE") {
			t.Errorf("Kubernetes would replace a variable in %q, or it shows a certificate", arg)
		}
	}
	isGolden(t, job, "testdata/tables_job.yaml")
}
