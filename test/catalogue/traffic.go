package catalogue

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/agent"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
	"github.com/gitover/gitover/test/pgpooler"
)

// startPooler puts a pooler with its agent before the active server.
func (j *journey) startPooler() {
	j.t.Helper()
	var pair protocol.KeyPair
	j.authority, pair = pgpooler.Certificates(j.t)
	config, err := protocol.ClientTLS(j.authority.Pair.Certificate, pair, pgpooler.Proxy, pgpooler.Namespace)
	must(j.t, err)
	j.say(nil)
	j.pooler = pgpooler.Start(j.t, pgpooler.Options{
		Name: "pooler", Authority: j.authority, Users: map[string]string{app: appPassword}, Role: pg.AgentRole, Password: pg.AgentPassword, Source: j.source,
	})
	j.client = protocol.NewClient("pooler", j.pooler.Address, config)
}

// say publishes what PgProxy's status would.
func (j *journey) say(sw *agent.ActiveSwitch) {
	j.source.Set(agent.Active{Target: protocol.TargetOf(j.active.Server, []string{database}), Switch: sw})
}

// connect is a session of the application's, through the pooler.
func (j *journey) connect() *pgx.Conn {
	j.t.Helper()
	config, err := pgx.ParseConfig("")
	must(j.t, err)
	admin := j.pooler.Admin
	config.Host, config.Port, config.User, config.Password, config.Database = admin.Host, uint16(admin.Port), app, appPassword, database
	config.DefaultQueryExecMode, config.TLSConfig, config.Fallbacks = pgx.QueryExecModeExec, nil, nil
	conn, err := pgx.ConnectConfig(j.t.Context(), config)
	must(j.t, err)
	return conn
}

// switchOver moves traffic to the other side.
func (j *journey) switchOver() {
	j.t.Helper()
	j.switches++
	in := switchover.Input{
		ID: fmt.Sprintf("switch-%d", j.switches), From: j.active.Server, To: j.other.Server, Databases: []string{database},
		Names: j.names, Poolers: []switchover.Pooler{j.client}, Who: "catalogue",
	}
	in.Report = func(phase protocol.Phase) error {
		j.say(&agent.ActiveSwitch{ID: in.ID, Holding: phase != protocol.PhasePreparing, To: protocol.TargetOf(in.To, in.Databases), Limits: in.Limits.OfHold()})
		return nil
	}
	j.awaitGuard(in)
	result, err := switchover.Switch(j.t.Context(), in)
	if err != nil {
		j.t.Fatalf("%s: switch from %s to %s: %v", j.move, in.From.Instance, in.To.Instance, err)
	}
	j.active, j.other = j.other, j.active
	j.say(nil)
	j.record.switched(result.Held)
	j.sameSequences()
}

// awaitGuard returns when nothing stands in a switch's way.
func (j *journey) awaitGuard(in switchover.Input) {
	j.t.Helper()
	tick, end := time.NewTicker(50*time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer end.Stop()
	for {
		obstacles, err := switchover.Guard(j.t.Context(), in)
		if err == nil && len(obstacles) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-end.C:
			j.t.Fatalf("%s: the guard does not open from %s to %s: %v %v", j.move, in.From.Instance, in.To.Instance, obstacles, err)
		}
	}
}
