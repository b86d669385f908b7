package postgres

import "fmt"

// identityEvidence are the rows of a rule about a table's replica identity.
type identityEvidence func(t publishable, newest int, p PreflightRequest) []evidence

// lacksIdentity: no identity would do, and Gitover may not, or can't, give it one.
func lacksIdentity(t publishable, newest int, req PreflightRequest) []evidence {
	if t.identified() || req.given(t, newest) {
		return nil
	}
	return []evidence{{Object: "table " + t.Table, Detail: t.because(newest), Fix: t.fix(newest)}}
}

// outgrowsIdentity: it works here and fails on the other version, once that publishes.
func outgrowsIdentity(t publishable, newest int, req PreflightRequest) []evidence {
	if !t.outgrown(newest) || req.given(t, newest) {
		return nil
	}
	return []evidence{{Object: "table " + t.Table, Fix: t.fix(newest)}}
}

// givenIdentity: Gitover gives it one.
func givenIdentity(t publishable, newest int, req PreflightRequest) []evidence {
	why, remedy := t.lacking(newest), t.remedy(newest)
	if why == "" || !req.given(t, newest) {
		return nil
	}
	price := ""
	if remedy == wholeRow {
		price = fmt.Sprintf("; the side that follows may read the whole table (%s now) for each row of an UPDATE or DELETE", bytesText(t.Bytes))
	}
	return []evidence{{Object: "table " + t.Table, Detail: why, Fix: remedy + price}}
}

// incomparable: its identity is the whole row, and a column has no equality.
func incomparable(t publishable, newest int, req PreflightRequest) []evidence {
	if t.Identity != wholeRow || req.given(t, newest) {
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
func (r PreflightRequest) given(t publishable, newest int) bool {
	return r.GiveIdentities && t.remedy(newest) != ""
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
