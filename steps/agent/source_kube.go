package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	backoff "k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
)

const (
	// sourceSteady is how long a working watch lasts at least; one that ends sooner is begun again after a pause.
	sourceSteady = 5 * time.Second
	// watchSeconds after which the API server ends a watch, which is then begun again.
	watchSeconds = 240
)

// sourcePauses before the list that follows a watch that ended soon, or a failure.
var sourcePauses = backoff.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 7, Cap: 5 * time.Second}

// KubernetesSource reads one PgProxy from the API server. It lists and watches that one
// object with plain requests: an informer's cache would need more memory than the rest of the
// agent.
type KubernetesSource struct {
	client *http.Client
	base   string
	query  url.Values
	log    *slog.Logger
}

// NewKubernetesSource reads PgProxy name in namespace. It needs the rights to list and
// watch that object.
func NewKubernetesSource(config *rest.Config, namespace, name string, log *slog.Logger) (*KubernetesSource, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("client of the API server: %w", err)
	}
	host := config.Host
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	base, err := url.JoinPath(host, "apis", v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "namespaces", namespace, "pgproxies")
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	query := url.Values{"fieldSelector": {"metadata.name=" + name}}
	return &KubernetesSource{client: client, base: base, query: query, log: log}, nil
}

// Run implements Source.
func (s *KubernetesSource) Run(ctx context.Context, seen func(Active)) error {
	pauses := sourcePauses
	for ctx.Err() == nil {
		begun := time.Now()
		err := s.listAndWatch(ctx, seen)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("PgProxy can't be read; the pooler stays as it is", "error", err)
		}
		if time.Since(begun) >= sourceSteady {
			pauses = sourcePauses
		} else {
			_ = postgres.Pause(ctx, pauses.Step())
		}
	}
	return nil
}

func (s *KubernetesSource) listAndWatch(ctx context.Context, seen func(Active)) error {
	var list v1alpha1.PgProxyList
	response, err := s.get(ctx, nil)
	if err != nil {
		return err
	}
	err = json.NewDecoder(response.Body).Decode(&list)
	_ = response.Body.Close()
	if err != nil {
		return fmt.Errorf("read PgProxy: %w", err)
	}
	for i := range list.Items {
		seen(activeOf(&list.Items[i]))
	}
	response, err = s.get(ctx, url.Values{
		"watch": {"true"}, "resourceVersion": {list.ResourceVersion}, "timeoutSeconds": {fmt.Sprint(watchSeconds)},
	})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			// The server ends every watch in time.
			return nil
		}
		if event.Type == "ERROR" {
			return nil
		}
		if event.Type != "ADDED" && event.Type != "MODIFIED" {
			continue
		}
		var p v1alpha1.PgProxy
		if err := json.Unmarshal(event.Object, &p); err != nil {
			return fmt.Errorf("read PgProxy: %w", err)
		}
		seen(activeOf(&p))
	}
}

func (s *KubernetesSource) get(ctx context.Context, more url.Values) (*http.Response, error) {
	query := url.Values{}
	for _, values := range []url.Values{s.query, more} {
		for k, v := range values {
			query[k] = v
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read PgProxy: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, errors.New("read PgProxy: the API server says " + response.Status + reasonIn(response.Body))
	}
	return response, nil
}

// reasonIn the API server's answer, e.g. which right is missing.
func reasonIn(body io.Reader) string {
	var status metav1.Status
	if err := json.NewDecoder(io.LimitReader(body, 8<<10)).Decode(&status); err != nil || status.Message == "" {
		return ""
	}
	return ": " + status.Message
}

// activeOf reads from a PgProxy what an agent needs.
func activeOf(p *v1alpha1.PgProxy) Active {
	var active Active
	status := p.Status
	if status.Active == "" || status.Endpoint == nil {
		return active
	}
	active.Target = protocol.Target{Instance: status.Active, Host: status.Endpoint.Host, Port: int(status.Endpoint.Port), Databases: status.Databases}
	if sw := status.Switch; sw != nil && sw.Endpoint != nil {
		active.Switch = &ActiveSwitch{
			ID: sw.ID, Holding: sw.Phase != string(protocol.PhasePreparing),
			To: protocol.Target{Instance: sw.To, Host: sw.Endpoint.Host, Port: int(sw.Endpoint.Port), Databases: status.Databases},
		}
		if limit := p.Spec.Switch.HoldLimit; limit != nil {
			active.Switch.Limits.Hold = limit.Duration
		}
	}
	return active
}
