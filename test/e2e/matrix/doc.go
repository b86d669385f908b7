// Package matrix kills the controller, by SIGKILL, before, during and after the effect of
// every step of every workflow and every part of a switch, and lets another replica finish.
//
// The cells are generated from the tables that the product runs by (steps.Workflows,
// switchover.Preparations, switchover.Points, protocol.Phases): a new step or part is a new cell, and a cell that no story
// reaches is a failure. The stories run side by side, each a database in a namespace of its
// own with two replicas of a controller that has crash points (internal/crash). These ask
// the referee, here, at each point.
//
// However often it dies, the end is the same: no write is lost or doubled, one instance
// serves, Git has each step's commit once, and nothing that replicates, fences or holds is
// left over.
package matrix
