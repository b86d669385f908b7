package disk

import (
	"embed"

	"github.com/gitover/gitover/steps/postgres"
)

//go:embed sql
var files embed.FS

var query = postgres.Queries(files)
