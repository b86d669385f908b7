package analysis

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// here is what checks may ask in these tests: this machine.
func here(t *testing.T, secrets map[string]map[string][]byte) Sources {
	t.Helper()
	addresses, err := AddressesOf([]string{"127.0.0.0/8", "::1/128"})
	if err != nil {
		t.Fatal(err)
	}
	return Sources{Namespace: "shop", Upgrade: "orders", Instance: "orders-17", Version: "17", Addresses: addresses,
		Secret: func(_ context.Context, name string) (map[string][]byte, error) {
			if secrets[name] == nil {
				return nil, fmt.Errorf("Secret shop/%s does not exist; create it", name)
			}
			return secrets[name], nil
		}}
}

func get(url string) v1alpha1.AnalysisCheck {
	return v1alpha1.AnalysisCheck{Name: "c", HTTP: &v1alpha1.HTTPCheck{URL: url}, Timeout: &metav1.Duration{Duration: 2 * time.Second}}
}

func (s Sources) one(t *testing.T, check v1alpha1.AnalysisCheck) Result {
	t.Helper()
	return Round(t.Context(), &v1alpha1.AnalysisSpec{Checks: []v1alpha1.AnalysisCheck{check}}, s)[0]
}

func (r Result) is(t *testing.T, verdict string, words ...string) {
	t.Helper()
	if r.Verdict != verdict {
		t.Fatalf("%+v, want %s", r, verdict)
	}
	text := r.Value + " " + r.Wanted + " " + r.Message
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q doesn't say %q", text, w)
		}
	}
}

func TestAnAnswerIsJudgedByItsStatus(t *testing.T) {
	hangs := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/orders-17" && r.Header.Get("Authorization") == "Bearer abc":
		case r.URL.Path == "/user" && password == "p":
		case r.URL.Path == "/elsewhere":
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		case r.URL.Path == "/slow":
			<-hangs
		default:
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hangs) })
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	from := here(t, map[string]map[string][]byte{"token": {"token": []byte("abc"), "ca.crt": ca},
		"user": {"username": []byte("u"), "password": []byte("p"), "ca.crt": ca}, "ca": {"ca.crt": ca}, "bad": {"ca.crt": []byte("x")}, "empty": {"x": []byte("y")}})
	ask := func(path, secret string) Result {
		c := get(server.URL + path)
		if secret != "" {
			c.HTTP.SecretRef = &v1alpha1.SecretReference{Name: secret}
		}
		return from.one(t, c)
	}
	ask("/{instance}", "token").is(t, v1alpha1.CheckPassed, "status 200", "status 200 to 299")
	ask("/user", "user").is(t, v1alpha1.CheckPassed)
	ask("/", "ca").is(t, v1alpha1.CheckFailed, "status 503")
	ask("/elsewhere", "ca").is(t, v1alpha1.CheckFailed, "status 302") // not followed
	ask("/", "").is(t, v1alpha1.CheckUnknown, "fails verification")
	ask("/", "missing").is(t, v1alpha1.CheckUnknown, "Secret shop/missing does not exist")
	ask("/", "bad").is(t, v1alpha1.CheckUnknown, `key "ca.crt" of Secret bad`)
	ask("/", "empty").is(t, v1alpha1.CheckUnknown, "none of the keys token, username and ca.crt is in Secret empty")
	expected := get(server.URL + "/")
	expected.HTTP.SecretRef, expected.HTTP.ExpectedStatus = &v1alpha1.SecretReference{Name: "ca"}, &v1alpha1.StatusRange{Min: 503, Max: 503}
	from.one(t, expected).is(t, v1alpha1.CheckPassed, "status 503")
	slow := get(server.URL + "/slow")
	slow.HTTP.SecretRef, slow.Timeout = &v1alpha1.SecretReference{Name: "ca"}, &metav1.Duration{Duration: 100 * time.Millisecond}
	from.one(t, slow).is(t, v1alpha1.CheckUnknown, "did not answer within 100ms")
	from.one(t, get("http://u:secret@"+server.Listener.Addr().String())).is(t, v1alpha1.CheckUnknown, "put them into a Secret")
	plain := get("http://" + server.Listener.Addr().String())
	plain.HTTP.SecretRef = &v1alpha1.SecretReference{Name: "token"}
	from.one(t, plain).is(t, v1alpha1.CheckUnknown, "not sent over plain http")
	from.one(t, get("http://nowhere.invalid/")).is(t, v1alpha1.CheckUnknown, "could not be resolved")
}

// TestNoCheckReachesWhatOnlyTheControllerReaches, by whatever name.
func TestNoCheckReachesWhatOnlyTheControllerReaches(t *testing.T) {
	var reached bool
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(server.Close)
	from := here(t, nil)
	from.Addresses = Addresses{}
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		from.one(t, get("http://"+host+":"+port)).is(t, v1alpha1.CheckUnknown, "checks may not reach", "--analysis-addresses")
	}
	metrics := v1alpha1.AnalysisCheck{Prometheus: &v1alpha1.PrometheusCheck{Address: server.URL, Query: "up"}, ThresholdRange: between("1", "")}
	from.one(t, metrics).is(t, v1alpha1.CheckUnknown, "checks may not reach 127.0.0.1")
	if reached {
		t.Error("it was reached")
	}
	only, err := AddressesOf([]string{"10.1.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	for ip, want := range map[string][2]bool{
		"10.1.2.3": {true, true}, "10.2.0.1": {true, false}, "8.8.8.8": {true, false}, "169.254.169.254": {}, "fe80::1": {}, "fd00:ec2::254": {},
		"::1": {}, "::ffff:169.254.169.254": {}, "224.0.0.1": {}, "::": {}, "100.100.100.200": {},
		"64:ff9b::a9fe:a9fe": {}, "64:ff9b:1::7f00:1": {}, "2002:a9fe:a9fe::": {}, "::a9fe:a9fe": {}, "fd20:ce::254": {}, "64:ff9b::6464:64c8": {}, "64:ff9b::808:808": {true, false},
	} {
		a := netip.MustParseAddr(ip)
		if got := [2]bool{Addresses{}.permits(a), only.permits(a)}; got != want {
			t.Errorf("%s: %v, want %v", ip, got, want)
		}
	}
	if _, err := AddressesOf([]string{"10.0.0.1"}); err == nil {
		t.Error("an address is no network")
	}
	var refused *refusedAddressError
	if err := (Addresses{}).control("tcp", "127.0.0.1:80", nil); !errors.As(err, &refused) {
		t.Error(err)
	}
}

// TestPrometheusIsAskedForOneNumber by its HTTP API.
func TestPrometheusIsAskedForOneNumber(t *testing.T) {
	result := func(kind, result string) string {
		return fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}}`, kind, result)
	}
	answers := map[string]string{
		"ratio":     result("vector", `[{"metric":{"job":"a"},"value":[1700000000,"0.25"]}]`),
		"scalar(1)": result("scalar", `[1700000000,"1"]`),
		"nothing":   result("vector", `[]`),
		"many":      result("vector", `[{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"2"]}]`),
		"nan":       result("vector", `[{"metric":{},"value":[1,"NaN"]}]`),
		"range":     result("matrix", `[]`),
		"bad":       `{"status":"error","errorType":"bad_data","error":"parse error: unexpected end of input"}`,
		"other":     `<html>a secret page</html>`,
		"errors{instance=\"orders-17\",namespace=\"shop\"}": result("vector", `[{"metric":{},"value":[1,"3"]}]`),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers[r.FormValue("query")]
		if !strings.HasPrefix(r.URL.Path, "/prefix/api/v1/query") || answer == "" {
			http.Error(w, "a secret page", http.StatusNotFound)
			return
		}
		if strings.Contains(answer, `"error"`) {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	from := here(t, nil)
	ask := func(query string) Result {
		return from.one(t, v1alpha1.AnalysisCheck{Name: "p", ThresholdRange: between("", "1"), Prometheus: &v1alpha1.PrometheusCheck{Address: server.URL + "/prefix/", Query: query}})
	}
	ask("ratio").is(t, v1alpha1.CheckPassed, "0.25 at most 1")
	ask("scalar(1)").is(t, v1alpha1.CheckPassed)
	ask(`errors{instance="{instance}",namespace="{namespace}"}`).is(t, v1alpha1.CheckFailed, "3 at most 1")
	ask("nothing").is(t, v1alpha1.CheckUnknown, "no series")
	ask("many").is(t, v1alpha1.CheckUnknown, "2 series; aggregate")
	ask("nan").is(t, v1alpha1.CheckUnknown, "NaN")
	ask("range").is(t, v1alpha1.CheckUnknown, "matrix")
	ask("bad").is(t, v1alpha1.CheckUnknown, "refused the query: parse error")
	for _, query := range []string{"other", "missing"} {
		r := ask(query)
		r.is(t, v1alpha1.CheckUnknown)
		if strings.Contains(r.Message, "secret page") {
			t.Errorf("it tells what was answered: %s", r.Message)
		}
	}
}
