// Package pace limits how often and how long the controllers look: results of expensive looks are remembered for a
// multiple of the time that they took, objects whose servers don't answer share half of the workers, and a slow look
// ends when the spec changes. It doesn't depend on what is looked at.
package pace
