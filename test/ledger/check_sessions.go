package ledger

// tears: of an unknown transaction either all rows are there or none; and accounts,
// between which transfers only move amounts, add up to nothing.
func (c *check) tears() {
	for _, t := range c.history {
		if t.Outcome != Unknown {
			continue
		}
		there, inserts := 0, 0
		for _, e := range t.Effects {
			if e.Kind == Insert {
				inserts++
				there += min(c.state.Rows[e.Table][e.Key], 1)
			}
		}
		if there > 0 && there < inserts {
			c.report.problem(&c.report.Torn, "%s: client %d, %s at %s: %d of %d rows are there", c.database, t.Client, t.Name, t.Start.Format("15:04:05.000"), there, inserts)
		}
	}
	var balance int64
	for account := int64(firstAccount); account < firstAccount+accounts; account++ {
		balance += c.state.Sums[Counters][account]
	}
	if balance != 0 {
		c.report.problem(&c.report.Torn, "%s: the accounts' balance is %d instead of 0", c.database, balance)
	}
}

// growth: shared counters only grow. What a client saw of one, and what it was acknowledged
// since, is the least that it sees next.
func (c *check) growth() {
	type view struct {
		client  int
		counter int64
	}
	least := map[view]int64{}
	for _, t := range c.history {
		if t.Outcome != Acknowledged {
			continue
		}
		for _, e := range t.Effects {
			v := view{t.Client, e.Key}
			if e.Table != Counters || e.Key >= sharedCounters {
				continue
			}
			switch e.Kind {
			case Add:
				least[v] += e.Value
			case Saw:
				if e.Value < least[v] {
					c.report.problem(&c.report.Stale, "%s: client %d saw counter %d at %d at %s after it knew of %d", c.database, t.Client, e.Key, e.Value, t.Start.Format("15:04:05.000"), least[v])
				}
				least[v] = max(least[v], e.Value)
			}
		}
	}
}

// sequences: no value twice, whatever became of the transaction that drew it.
func (c *check) sequences() {
	type value struct {
		sequence string
		value    int64
	}
	drawn := map[value]Transaction{}
	for _, t := range c.history {
		for _, e := range t.Effects {
			if e.Kind != Draw {
				continue
			}
			v := value{e.Table, e.Value}
			if first, twice := drawn[v]; twice {
				c.report.problem(&c.report.Reused, "%s: sequence %s gave %d to client %d at %s and to client %d at %s", c.database, e.Table, e.Value,
					first.Client, first.Start.Format("15:04:05.000"), t.Client, t.Start.Format("15:04:05.000"))
			}
			drawn[v] = t
		}
	}
}

// sessions: a counter that only one client increments is, for that client, never below
// what it saw or was acknowledged before, and never above what it asked for.
func (c *check) sessions() {
	type book struct{ least, most int64 }
	type own struct {
		client  int
		counter int64
	}
	books := map[own]*book{}
	for _, t := range c.history {
		for _, e := range t.Effects {
			key := own{t.Client, e.Key}
			if e.Table != Counters || e.Key != firstOwn+int64(t.Client) {
				continue
			}
			if books[key] == nil {
				books[key] = &book{}
			}
			b := books[key]
			switch {
			case e.Kind == Add && t.Outcome == Acknowledged:
				b.least, b.most = b.least+e.Value, b.most+e.Value
			case e.Kind == Add && t.Outcome == Unknown:
				b.most += e.Value
			case e.Kind == Saw && t.Outcome == Acknowledged:
				if e.Value < b.least {
					c.report.problem(&c.report.Stale, "%s: client %d read %d at %s after it knew of %d", c.database, t.Client, e.Value, t.Start.Format("15:04:05.000"), b.least)
				} else if e.Value > b.most {
					c.report.problem(&c.report.Doubled, "%s: client %d read %d at %s and wrote at most %d", c.database, t.Client, e.Value, t.Start.Format("15:04:05.000"), b.most)
				}
				b.least = max(b.least, e.Value)
			}
		}
	}
}

// turns: each row says which server accepted it and when. Servers take turns, so there
// are no more epochs than switches and one; more means that both accepted at once.
func (c *check) turns(switches int) {
	if switches < 0 {
		return
	}
	for extra := switches + 1; extra < len(c.state.Epochs); extra++ {
		e := c.state.Epochs[extra]
		c.report.problem(&c.report.SplitBrain, "%s: server %d accepted %d rows from %s on, out of its turn (%d switches were made)", c.database, e.Server, e.Rows, e.First.Format("15:04:05.000"), switches)
	}
}
