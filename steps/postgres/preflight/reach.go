package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// eachReachesTheOther finds a side that can't replicate from the other, before that is needed.
func (p *pass) eachReachesTheOther(ctx context.Context, blue, green postgres.Server) error {
	ways := [][2]postgres.Server{{green, blue}}
	if p.request.RollbackPath {
		ways = append(ways, [2]postgres.Server{blue, green})
	}
	for _, way := range ways {
		subscriber, publisher := way[0], way[1]
		refused, err := replication.Reach(ctx, subscriber, publisher, p.request.Names)
		if err != nil {
			return err
		}
		if refused != nil {
			p.findings = append(p.findings, ruleNamed("connection").finding(evidence{
				Object: subscriber.Instance + " to " + publisher.Instance,
				Detail: strings.TrimSuffix(refused.Error(), "."),
				Fix: fmt.Sprintf("Let %s reach %s:%d: network policies, pg_hba.conf (replication goes by the database's name), max_wal_senders, certificates (sslRootCert is a file on %s).",
					subscriber.Instance, publisher.Host, publisher.Port, subscriber.Instance),
			}, "", p.request))
		}
	}
	return nil
}

func ruleNamed(name string) rule {
	return rules[slices.IndexFunc(rules, func(r rule) bool { return r.Name == name })]
}
