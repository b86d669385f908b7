package testenv

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// PoolerLabels are those of the poolers' pods.
var PoolerLabels = map[string]string{"app.kubernetes.io/name": "orders-pooler"}

// WrongPoolers are, in words, those that don't let clients of every database go to the server of
// this version.
func (a *App) WrongPoolers(ctx context.Context, version string) (problems []string, err error) {
	var pods corev1.PodList
	if err := a.Client.List(ctx, &pods, client.InNamespace(a.Namespace), client.MatchingLabels(PoolerLabels)); err != nil {
		return nil, err
	}
	served := 0
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp != nil {
			continue
		}
		served++
		for _, database := range Databases {
			by, err := a.servedSoon(ctx, pod.Status.PodIP, database)
			switch {
			case err != nil:
				problems = append(problems, fmt.Sprintf("pooler %s doesn't serve %s: %v", pod.Name, database, err))
			case by != version:
				problems = append(problems, fmt.Sprintf("pooler %s leads %s to PostgreSQL %s instead of %s", pod.Name, database, by, version))
			}
		}
	}
	if served == 0 {
		problems = append(problems, "there is no pooler")
	}
	return problems, nil
}

// servedSoon asks again after a refusal: PgBouncer tells one more client of a login that its server
// refused a while ago (server_login_retry), and then tries again.
func (a *App) servedSoon(ctx context.Context, podAddress, database string) (version string, err error) {
	tick, end := time.NewTicker(look), time.Now().Add(10*time.Second)
	defer tick.Stop()
	for {
		version, err = a.servedBy(ctx, podAddress, database)
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return version, err
		}
		<-tick.C
	}
}

func (a *App) servedBy(ctx context.Context, podAddress, database string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := a.ApplicationAt(ctx, podAddress, database)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT (current_setting('server_version_num')::int / 10000)::text").Scan(&version)
	return version, err
}
