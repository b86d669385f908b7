// Package gate says by the clock alone whether something may begin: the windows in which a cutover may happen, and the freezes in
// which nothing begins.
//
// It is pure: the time is an argument, and time zones come from the program's own copy of the IANA database (cmd/gitover embeds
// it). A time zone or a schedule that can't be read closes the gate: Problems names it, in the preflight and afterwards.
//
// Daylight saving time: a schedule names times as clocks on a wall show them. A time that is skipped in spring begins when the
// clocks are changed, and one that comes twice in autumn begins the first time. A duration is as long as it says on every day.
package gate
