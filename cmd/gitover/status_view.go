package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/internal/screen"
)

// statusView looks at upgrades and shows them, once or while they change.
type statusView struct {
	statusFlags
	onlooker
	*terminal
	args    []string
	program string
	// objects of the last look
	objects []screen.Objects
	// lags that were seen, by upgrade, and when the newest was measured
	lags     map[string][]int64
	measured map[string]metav1.Time
	// lines that were written last, by upgrade; where there is no terminal
	lines map[string]string
}

// many: a line for each instead of a screen for one.
func (v *statusView) many() bool {
	return len(v.args) == 0 && (v.everywhere || len(v.objects) != 1)
}

// look at what the command line names.
func (v *statusView) look(ctx context.Context) ([]screen.Report, error) {
	v.flux = !v.everywhere || v.output != ""
	var err error
	if len(v.args) > 0 {
		v.objects = make([]screen.Objects, 1)
		v.objects[0], err = v.one(ctx, v.args[0])
	} else {
		v.objects, err = v.all(ctx)
	}
	if err != nil {
		return nil, err
	}
	reports := make([]screen.Report, len(v.objects))
	for i, o := range v.objects {
		reports[i] = screen.Of(o, v.program)
	}
	return reports, nil
}

// show reports, as -o and the place ask for; picture is how lines get there, print if nil.
func (v *statusView) show(reports []screen.Report, notice string, picture func([]string) error) error {
	o := v.options(v.output == "wide")
	o.Notice = notice
	switch {
	case v.output == "json" || v.output == "yaml":
		if len(v.args) > 0 {
			return document(v.out, v.output, reports[0])
		}
		return document(v.out, v.output, reportList{reports})
	case picture == nil:
		picture = v.print
		if o.Height > 0 {
			o.Height-- // the shell's prompt comes below
		}
	}
	if v.many() {
		lines := screen.Overview(reports, o, v.output == "wide")
		if len(reports) == 0 {
			lines = []string{"no PgUpgrade in any namespace"}
		}
		if notice != "" {
			lines = append(lines, notice)
		}
		if o.Height > 0 && len(lines) > o.Height && v.drawn > 0 {
			lines = append(lines[:o.Height-1], fmt.Sprintf("+%d more", len(lines)-o.Height+1))
		}
		return picture(lines)
	}
	if o.Width == 0 { // not a terminal: wrapped all the same, but in full
		o.Width = 80
	}
	o.Lags = v.lags[keyOfReport(&reports[0])]
	return picture(screen.Draw(reports[0], o))
}

func keyOfReport(r *screen.Report) string { return r.Namespace + "/" + r.Name }

// mostLags that are remembered: more than a line has room for.
const mostLags = 100

// remember what a sparkline is made of.
func (v *statusView) remember(reports []screen.Report) {
	if v.lags == nil {
		v.lags, v.measured, v.lines = map[string][]int64{}, map[string]metav1.Time{}, map[string]string{}
	}
	for i := range reports {
		key, l := keyOfReport(&reports[i]), reports[i].Lag
		if l == nil || v.measured[key] == l.At {
			continue
		}
		v.lags[key] = append(v.lags[key], l.Bytes)
		v.lags[key] = v.lags[key][max(0, len(v.lags[key])-mostLags):]
		v.measured[key] = l.At
	}
}

// kinds to watch for the objects of the last look.
func (v *statusView) kinds() []watched {
	kinds := []watched{
		{&v1alpha1.PgUpgrade{}, &v1alpha1.PgUpgradeList{}, v.namespace, true},
		{&v1alpha1.PgProxy{}, &v1alpha1.PgProxyList{}, v.namespace, false},
	}
	for _, o := range v.objects {
		if o.Source != nil {
			kinds = append(kinds, watched{&sourcev1.GitRepository{}, &sourcev1.GitRepositoryList{}, o.Source.Namespace, false})
		}
		if o.Kustomization != nil {
			kinds = append(kinds, watched{&kustomizev1.Kustomization{}, &kustomizev1.KustomizationList{}, o.Kustomization.Namespace, false})
		}
	}
	return kinds
}

const (
	// lookAgain after a look that failed, since a change that came meanwhile may not come again.
	lookAgain = time.Second
	// quietLook is how long watches may tell of nothing before a look asks the cluster: a connection may be lost without a word.
	quietLook = 20 * time.Second
)

// follow shows what changes, until it is over.
func (v *statusView) follow(ctx context.Context) error {
	defer v.leave()
	reports, err := v.look(ctx)
	if err != nil {
		return err
	}
	if v.until != "" && len(reports) != 1 {
		return errors.New("--until waits for one upgrade: name it")
	}
	var over <-chan time.Time
	if v.timeout > 0 {
		over = time.After(v.timeout)
	}
	w := newWatcher(v.WithWatch)
	var second <-chan time.Time // times go on, on a terminal
	if v.real && v.output != "json" && v.output != "yaml" {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		second = ticker.C
	}
	notice := ""
	v.remember(reports)
	last := time.Now()
	for looked := true; ; {
		for _, k := range v.kinds() {
			if err := w.watch(ctx, k); err != nil {
				return err
			}
		}
		if err := v.update(reports, notice, looked); err != nil {
			return err
		}
		if done, err := v.reached(reports); done || err != nil && notice == "" {
			return err
		}
		wait := quietLook
		if notice != "" {
			wait = lookAgain
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-w.denied:
			return err
		case <-over:
			return &exit{exitNotReached, fmt.Errorf("%s is not %s within %s: %s", reports[0].Name, v.until, v.timeout, reports[0].Now)}
		case <-second:
			looked = false
			continue
		case <-time.After(time.Until(last.Add(wait))):
		case <-w.changed:
			w.settle(ctx)
		}
		fresh, err := v.look(ctx)
		last = time.Now()
		switch {
		case err == nil:
			reports, notice, looked = fresh, "", true
			v.remember(reports)
		case ctx.Err() != nil:
			return ctx.Err()
		case final(err):
			return err
		case notice == "":
			notice, looked = "no answer since "+time.Now().UTC().Format("15:04:05")+": "+explained(err, v.namespace).Error(), true
		}
	}
}

// final errors don't pass by themselves: the object is gone, or a right is.
func final(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || !isFromCluster(err)
}

// update shows the last look, in place on a terminal; elsewhere, what is new in it.
func (v *statusView) update(reports []screen.Report, notice string, looked bool) error {
	if v.real && v.output != "json" && v.output != "yaml" {
		return v.show(reports, notice, v.paint)
	}
	if !looked {
		return nil
	}
	o := v.options(true)
	o.Notice = notice
	changed := false
	for i := range reports {
		key, line := keyOfReport(&reports[i]), screen.Line(reports[i], o)
		said := line[min(len(line), len("15:04:05")):]
		if v.lines[key] == said {
			continue
		}
		v.lines[key], changed = said, true
		if v.output == "" || v.output == "wide" {
			if err := v.print([]string{line}); err != nil {
				return err
			}
		}
	}
	if changed && (v.output == "json" || v.output == "yaml") {
		return v.show(reports, notice, nil)
	}
	return nil
}

// reached says whether what --until waits for is there; the error is why it won't be.
func (v *statusView) reached(reports []screen.Report) (bool, error) {
	if v.until == "" {
		return false, nil
	}
	if len(reports) != 1 {
		return true, errors.New("--until waits for one upgrade: name it")
	}
	r, u := &reports[0], v.objects[0].Upgrade
	if u.Status.ObservedGeneration != u.Generation { // the controller has yet to look at what was merged
		return false, nil
	}
	there := r.AtRest() || v.until == "soaking" && r.Soaking()
	serves := v.to == "" || r.Version == v.to
	if there && serves {
		return true, nil
	}
	var why string
	switch {
	case r.TakenBack() && (v.to == "" || r.WantedVersion == v.to || r.WantedVersion == ""):
		why = "it was taken back"
	case r.Ready != nil && r.Ready.Status == metav1.ConditionFalse && slices.ContainsFunc(u.Status.Conditions, stalled):
		why = "it is blocked: " + r.Ready.Reason
	default:
		return false, nil
	}
	return true, &exit{exitNotReached, fmt.Errorf("%s doesn't become %s, %s: %s", r.Name, v.until, why, r.Now)}
}

func stalled(c metav1.Condition) bool {
	return c.Type == v1alpha1.StalledCondition && c.Status == metav1.ConditionTrue
}
