package credentials

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Proxy that a Secret describes as Flux' spec.proxySecretRef has it: address, username, password. The URL has the user. Errors hold no value.
func Proxy(data map[string][]byte) (*url.URL, error) {
	address := strings.TrimSpace(string(data["address"]))
	if address == "" {
		return nil, errors.New(`it has no key "address", the proxy's URL`)
	}
	proxy, err := url.Parse(address)
	if err != nil || proxy.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, proxy.Scheme) {
		return nil, errors.New(`its key "address" isn't a URL such as http://proxy.example.com:3128`)
	}
	username, password := string(data["username"]), string(data["password"])
	switch {
	case username == "" && password != "":
		return nil, errors.New(`it has a "password", and no "username"`)
	case username != "":
		proxy.User = url.UserPassword(username, password)
	}
	return proxy, nil
}
