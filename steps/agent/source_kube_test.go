package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/agent"
)

func pgProxy(active, version string) v1alpha1.PgProxy {
	p := v1alpha1.PgProxy{}
	p.Name, p.ResourceVersion = "orders", version
	p.Status.Active, p.Status.Databases = active, []string{"orders"}
	p.Status.Endpoint = &v1alpha1.Endpoint{Host: active + ".shop", Port: 5432}
	return p
}

func TestTheSourceListsThenWatchesAndComesBackAfterAFault(t *testing.T) {
	watches := make(chan string)
	lists := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.URL.Path != "/apis/gitover.dev/v1alpha1/namespaces/shop/pgproxies" || query.Get("fieldSelector") != "metadata.name=orders" {
			t.Errorf("asked for %s", r.URL)
		}
		if query.Get("watch") == "" {
			if lists++; lists == 2 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			list := v1alpha1.PgProxyList{Items: []v1alpha1.PgProxy{pgProxy("orders-15", "7")}}
			list.ResourceVersion = "7"
			_ = json.NewEncoder(w).Encode(list)
			return
		}
		for active := range watches {
			if active == "" {
				return
			}
			p := pgProxy(active, "8")
			p.Status.Switch = &v1alpha1.SwitchStatus{ID: "s1", To: "orders-18", Phase: "Holding", Endpoint: &v1alpha1.Endpoint{Host: "new", Port: 5433}}
			object, _ := json.Marshal(p)
			fmt.Fprintf(w, "{\"type\":\"MODIFIED\",\"object\":%s}\n", object)
			w.(http.Flusher).Flush()
		}
	}))
	defer server.Close()
	source, err := agent.NewKubernetesSource(&rest.Config{Host: server.URL}, "shop", "orders", slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan agent.Active)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = source.Run(ctx, func(a agent.Active) { seen <- a }) }()

	if a := <-seen; a.Target.Host != "orders-15.shop" || a.Switch != nil {
		t.Errorf("listed %+v", a)
	}
	watches <- "orders-17"
	a := <-seen
	if a.Target.Instance != "orders-17" || a.Switch == nil || !a.Switch.Holding || a.Switch.To.Port != 5433 {
		t.Errorf("watched %+v", a)
	}
	watches <- ""
	if a := <-seen; a.Target.Instance != "orders-15" {
		t.Errorf("after the watch ended and the server failed once: %+v", a)
	}
	close(watches)
}

// TestAWatchThatEndsAtOnceIsNotBegunAnewWithoutAPause, which would keep the API server busy: pauses grow.
func TestAWatchThatEndsAtOnceIsNotBegunAnewWithoutAPause(t *testing.T) {
	var lists atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			lists.Add(1)
			_ = json.NewEncoder(w).Encode(v1alpha1.PgProxyList{})
		}
	}))
	defer server.Close()
	source, err := agent.NewKubernetesSource(&rest.Config{Host: server.URL}, "shop", "orders", slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := source.Run(ctx, func(agent.Active) {}); err != nil {
		t.Fatal(err)
	}
	// 0, 100, 300 and 700 ms at the earliest
	if n := lists.Load(); n < 2 || n > 4 {
		t.Errorf("listed %d times in a second", n)
	}
}
