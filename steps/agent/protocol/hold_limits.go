package protocol

import (
	"cmp"
	"time"
)

// HoldLimits bound a hold. Zero values stand for the defaults.
type HoldLimits struct {
	// Hold is the longest time that traffic is held, whatever dies. Default 10 s.
	Hold time.Duration
	// Margin before Hold's end at which agents go to the register. Default a fifth of Hold.
	Margin time.Duration
}

// WithDefaults has no zero values.
func (l HoldLimits) WithDefaults() HoldLimits {
	l.Hold = cmp.Or(l.Hold, 10*time.Second)
	l.Margin = cmp.Or(l.Margin, l.Hold/5)
	return l
}
