package analysis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	clienttransport "k8s.io/client-go/transport"

	"github.com/gitover/gitover/api/v1alpha1"
)

// mostAnswer is how much of an answer is read, in bytes.
const mostAnswer = 1 << 20

// http sends a GET request and judges the status of the answer. Nothing of the answer's body is kept.
func (s Sources) http(ctx context.Context, check *v1alpha1.AnalysisCheck) Result {
	spec := check.HTTP
	wanted := v1alpha1.StatusRange{Min: 200, Max: 299}
	if spec.ExpectedStatus != nil {
		wanted = *spec.ExpectedStatus
	}
	address, err := addressOf(s.filled(spec.URL))
	if err != nil {
		return unknown("url: %v", err)
	}
	client, end, err := s.client(ctx, address, spec.SecretRef)
	if err != nil {
		return unknown("%v", err)
	}
	defer end()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return unknown("url: not one that can be asked")
	}
	request.Header.Set("User-Agent", "gitover")
	answer, err := client.Do(request)
	if err != nil {
		return unknown("%s", reasonOf(err, address.Host, check))
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, mostAnswer))
	verdict := v1alpha1.CheckPassed
	if code := int32(answer.StatusCode); code < wanted.Min || code > wanted.Max {
		verdict = v1alpha1.CheckFailed
	}
	text := fmt.Sprintf("status %d", wanted.Min)
	if wanted.Max != wanted.Min {
		text += fmt.Sprintf(" to %d", wanted.Max)
	}
	return Result{Verdict: verdict, Value: "status " + strconv.Itoa(answer.StatusCode), Wanted: text}
}

// addressOf a URL that names a host, and holds no credentials: those belong into a Secret.
func addressOf(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, errors.New("it is not of the form http://host or https://host")
	case u.User != nil:
		return nil, errors.New("it holds a user or a password; put them into a Secret and name that in secretRef")
	}
	return u, nil
}

// client for one check, with what its Secret holds. end closes its connections.
func (s Sources) client(ctx context.Context, address *url.URL, ref *v1alpha1.SecretReference) (client *http.Client, end func(), err error) {
	dialer := net.Dialer{Control: s.Addresses.control}
	transport := &http.Transport{
		// no proxy: the address that is judged has to be the one that is reached
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second,
	}
	var through http.RoundTripper = transport
	if ref != nil && address.Scheme != "https" {
		return nil, nil, fmt.Errorf("what Secret %s holds is not sent over plain http; ask by https, or remove secretRef", ref.Name)
	}
	if ref != nil {
		secret, err := s.Secret(ctx, ref.Name)
		if err != nil {
			return nil, nil, err
		}
		if through, err = authorized(transport, secret, ref.Name); err != nil {
			return nil, nil, err
		}
	}
	client = &http.Client{Transport: through, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return client, transport.CloseIdleConnections, nil
}

// authorized requests carry the credentials of a Secret, and trust its certificates.
func authorized(transport *http.Transport, secret map[string][]byte, name string) (http.RoundTripper, error) {
	if ca := secret["ca.crt"]; len(ca) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("key %q of Secret %s holds no certificate in PEM", "ca.crt", name)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	token, user, password := string(secret["token"]), string(secret["username"]), string(secret["password"])
	switch {
	case token != "":
		return clienttransport.NewBearerAuthRoundTripper(token, transport), nil
	case user != "":
		return clienttransport.NewBasicAuthRoundTripper(user, password, transport), nil
	case len(secret["ca.crt"]) == 0:
		return nil, fmt.Errorf("none of the keys token, username and ca.crt is in Secret %s", name)
	}
	return transport, nil
}

// reasonOf an error of a request, without what was answered.
func reasonOf(err error, host string, check *v1alpha1.AnalysisCheck) string {
	var refused *refusedAddressError
	var resolve *net.DNSError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return fmt.Sprintf("%s did not answer within %s", host, timeoutOf(check))
	case errors.As(err, &resolve):
		return fmt.Sprintf("the name of %s could not be resolved", host)
	case errors.As(err, &untrusted):
		return fmt.Sprintf("the certificate of %s fails verification: %v", host, untrusted.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s refused the connection", host)
	}
	return fmt.Sprintf("%s gave no answer that makes sense", host)
}
