package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Window is a time in which the cutover may happen: by Start and End of a day, or by Schedule and Duration.
//
// +kubebuilder:validation:XValidation:rule="has(self.schedule) ? has(self.duration) && !has(self.start) && !has(self.end) && !has(self.days) : has(self.start) && has(self.end) && !has(self.duration)",message="a window has either start and end (and days), or schedule and duration"
type Window struct {
	// Days on which it begins, with Start and End; every day if empty.
	// +kubebuilder:validation:MaxItems=7
	// +listType=set
	// +optional
	Days []Weekday `json:"days,omitempty"`

	// Start as HH:MM.
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	// +optional
	Start string `json:"start,omitempty"`

	// End as HH:MM. If it isn't after Start, the window crosses midnight.
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	// +optional
	End string `json:"end,omitempty"`

	Recurrence `json:",inline"`
}

// Recurrence is a time that comes again and again.
type Recurrence struct {
	// Schedule says when it begins, as a CronJob's does: minute, hour, day of the month, month, day of the week, or a macro such as
	// "@weekly".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.contains('TZ=')",message="name the time zone in timeZone, not in schedule"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('@every')",message="@every has no fixed times; give minute, hour, day, month and weekday"
	// +optional
	Schedule string `json:"schedule,omitempty"`

	// Duration from each time of Schedule, by the clock that runs on when a time zone's clocks are changed.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('8784h')",message="duration must be between a minute and a year"
	// +optional
	Duration *metav1.Duration `json:"duration,omitempty"`

	// TimeZone of Start, End and Schedule, by its name in the IANA database, e.g. "Europe/Berlin"; UTC by default.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`
	// +optional
	TimeZone string `json:"timeZone,omitempty"`
}

// Weekday in English, abbreviated.
// +kubebuilder:validation:Enum=Mon;Tue;Wed;Thu;Fri;Sat;Sun
type Weekday string

// Freeze is a time in which nothing is begun: no upgrade, no cutover, and no soak ends by time. What people ask for by a commit during
// a soak (a revert, finalizedVersion) and what removes an abandoned instance is done all the same.
//
// +kubebuilder:validation:XValidation:rule="has(self.schedule) ? has(self.duration) && !has(self.from) && !has(self.until) : !has(self.duration) && !has(self.timeZone) && has(self.from) && has(self.until)",message="a freeze has either from and until, or schedule and duration"
// +kubebuilder:validation:XValidation:rule="!has(self.from) || !has(self.until) || timestamp(self.from) < timestamp(self.until)",message="until must be after from"
type Freeze struct {
	// Reason that people are shown, e.g. "year-end closing, ask finance-it".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason"`

	// From is when it begins, once.
	// +optional
	From *metav1.Time `json:"from,omitempty"`

	// Until is when it ends, once.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`

	Recurrence `json:",inline"`
}
