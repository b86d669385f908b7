// Package crd holds the definitions of Gitover's kinds, as they are installed.
package crd

import _ "embed"

// PgUpgrades is the CustomResourceDefinition of PgUpgrade, in YAML.
//
//go:embed gitover.dev_pgupgrades.yaml
var PgUpgrades []byte

// PgProxies is that of PgProxy.
//
//go:embed gitover.dev_pgproxies.yaml
var PgProxies []byte
