package main

import (
	"os"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/gitover/gitover/test/apiserver"
)

// api is a real API server; nil where none is asked for.
var api *rest.Config

func TestMain(m *testing.M) {
	os.Exit(apiserver.Run(m, func(c *rest.Config) { api = c }))
}
