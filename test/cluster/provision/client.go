// Package provision makes volumes for the stage's two storage classes: plain
// directories, and file systems of exactly the requested size.
package provision

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// client speaks to the API server with as little as this controller needs; the
// node's own program stays free of Kubernetes libraries and compiles in seconds.
type client struct {
	server string
	http   *http.Client
}

// newClient reads <identity>.crt and .key and the authority's certificate.
func newClient(server, identity, authority string) (*client, error) {
	pair, err := tls.LoadX509KeyPair(identity+".crt", identity+".key")
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
	return &client{server: server, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: config, ResponseHeaderTimeout: 30 * time.Second,
	}}}, nil
}

// do sends body (nil for none) and decodes the answer into out (nil for none).
func (c *client) do(ctx context.Context, method, path string, body, out any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		message, _ := io.ReadAll(io.LimitReader(response.Body, 2000))
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, message)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(out)
}

// watch calls changed once at the start and after every change of a resource,
// until the connection ends, as the API server sees to now and then.
func (c *client) watch(ctx context.Context, path string, changed func()) error {
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if err := c.do(ctx, http.MethodGet, path+"?limit=1", nil, &list); err != nil {
		return err
	}
	changed()
	url := fmt.Sprintf("%s%s?watch=1&resourceVersion=%s", c.server, path, list.Metadata.ResourceVersion)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	events := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type string `json:"type"`
		}
		if err := events.Decode(&event); err != nil {
			return err
		}
		if event.Type == "ERROR" {
			return fmt.Errorf("watching %s: the API server wants a new start", path)
		}
		changed()
	}
}
