package protocol

// Phase of a switch, for people and for a controller that takes over.
type Phase string

// Phases.
const (
	PhasePreparing Phase = "Preparing"
	// PhaseHoldBegins is reported when everything is prepared and the hold begins.
	PhaseHoldBegins Phase = "Holding"
	// PhaseSettling is reported by Recover.
	PhaseSettling Phase = "Settling"
	// PhaseFinishing is reported when traffic flows again on the new side.
	PhaseFinishing Phase = "Finishing"
)

// Phases in the order in which they are reported; Recover reports Settling instead of Holding.
var Phases = []Phase{PhasePreparing, PhaseHoldBegins, PhaseSettling, PhaseFinishing}
