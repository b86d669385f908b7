package agent

import (
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
)

// usable says whether a target says where it is.
func usable(t protocol.Target) bool { return poolerTarget(t).Check() == nil }

// poolerTarget is the part of a target that the pooler's file has.
func poolerTarget(t protocol.Target) pooler.Target {
	return pooler.Target{Host: t.Host, Port: t.Port, Databases: t.Databases}
}
