package protocol

// Phase of a switch, for people and for a controller that takes over.
type Phase string

// Phases.
const (
	PhasePreparing Phase = "Preparing"
	// PhaseHoldBegins is reported when all is prepared and the hold comes next.
	PhaseHoldBegins Phase = "Holding"
	// PhaseSettling is reported by Recover.
	PhaseSettling Phase = "Settling"
	// PhaseFinishing is reported when traffic flows again on the new side.
	PhaseFinishing Phase = "Finishing"
)

// Phases in the order in which they are reported, Settling in the place of Holding.
var Phases = []Phase{PhasePreparing, PhaseHoldBegins, PhaseSettling, PhaseFinishing}
