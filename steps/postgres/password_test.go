package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestNothingPrintsAPassword(t *testing.T) {
	s := Server{Password: "hush"}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%v %+v %#v %s", s, s, s, encoded); strings.Contains(all, "hush") {
		t.Error(all)
	}
}
