package protocol

import (
	"cmp"
	"time"
)

// HoldLimits bound a hold. Zero values stand for the defaults.
type HoldLimits struct {
	// Hold is the longest time that traffic is held, whatever fails. Default 10 s.
	Hold time.Duration
	// Margin is how long before Hold's end agents ask the register. Default a fifth of Hold.
	Margin time.Duration
}

// WithDefaults replaces zero values.
func (l HoldLimits) WithDefaults() HoldLimits {
	l.Hold = cmp.Or(l.Hold, 10*time.Second)
	l.Margin = cmp.Or(l.Margin, l.Hold/5)
	return l
}
