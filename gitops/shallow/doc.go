// Package shallow fetches the newest commits of branches, and older ones when they are asked for, by Git's protocol of shallow clones.
// It keeps what the clone lacks by looking at what the clone has, so that a fetch never forgets what an earlier one brought.
package shallow
