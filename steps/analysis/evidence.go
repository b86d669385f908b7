package analysis

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Trailers of a commit, in order.
type Trailers = []struct{ Key, Value string }

// Passed is what the commit that ends a soak says of its analysis.
func Passed(status *v1alpha1.AnalysisStatus) Trailers {
	found := Trailers{{"Gitover-Analysis-Passed", fmt.Sprintf("%d times", status.Passed)}}
	for _, c := range status.Checks {
		found = append(found, struct{ Key, Value string }{"Gitover-Analysis-Check", oneLine(Words(c))})
	}
	return found
}

// Failed is what the commit that reverts the cutover says of the check that failed.
func Failed(f *v1alpha1.AnalysisFailure) Trailers {
	return Trailers{
		{"Gitover-Analysis-Check", f.Check}, {"Gitover-Analysis-Value", oneLine(f.Value)},
		{"Gitover-Analysis-Wanted", oneLine(f.Wanted)}, {"Gitover-Analysis-Failures", strconv.Itoa(int(f.Failures))},
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
