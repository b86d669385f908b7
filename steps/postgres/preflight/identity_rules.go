package preflight

import (
	"fmt"

	"github.com/gitover/gitover/steps/postgres/replication"
)

// identityEvidence are the rows of a rule about a table's replica identity.
type identityEvidence func(t replication.PublishableTable, newest int, p Request) []evidence

// lacksIdentity: the table can't be published with its identity, and Gitover may not, or
// can't, give it another one.
func lacksIdentity(t replication.PublishableTable, newest int, req Request) []evidence {
	if t.Identified() || req.given(t, newest) {
		return nil
	}
	return []evidence{{Object: "table " + t.Table, Detail: t.Because(newest), Fix: t.Fix(newest)}}
}

// outgrowsIdentity: the identity works here, but fails on the other version once that publishes.
func outgrowsIdentity(t replication.PublishableTable, newest int, req Request) []evidence {
	if !t.Outgrown(newest) || req.given(t, newest) {
		return nil
	}
	return []evidence{{Object: "table " + t.Table, Fix: t.Fix(newest)}}
}

// givenIdentity: Gitover gives the table one.
func givenIdentity(t replication.PublishableTable, newest int, req Request) []evidence {
	why, remedy := t.Lacking(newest), t.Remedy(newest)
	if why == "" || !req.given(t, newest) {
		return nil
	}
	price := ""
	if remedy == replication.WholeRow {
		price = fmt.Sprintf("; the side that follows may read the whole table (%s now) for each row of an UPDATE or DELETE", bytesText(t.Bytes))
	}
	return []evidence{{Object: "table " + t.Table, Detail: why, Fix: remedy + price}}
}

// incomparable: the identity is the whole row, and a column has no equality.
func incomparable(t replication.PublishableTable, newest int, req Request) []evidence {
	if t.Identity != replication.WholeRow || req.given(t, newest) {
		return nil
	}
	var found []evidence
	for _, column := range t.Unequal {
		found = append(found, evidence{Object: "table " + t.Table, Detail: column,
			Fix: fmt.Sprintf("give %s a primary key, or REPLICA IDENTITY USING INDEX of a unique index", t.Table)})
	}
	return found
}

// given says whether Gitover may and can give a table another replica identity.
func (r Request) given(t replication.PublishableTable, newest int) bool {
	return r.GiveIdentities && t.Remedy(newest) != ""
}

// bytesText is a number of bytes as people read it.
func bytesText(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
