package testenv

import "strings"

// CopyBy changes the example's files so that its data is copied by a method: the spec names it, and the servers let others
// connect for replication, which official images don't. Their entrypoint writes the method of authentication at the end of
// pg_hba.conf, and so a line of its own after it.
func CopyBy(method string) func(file, content string) string {
	return func(file, content string) string {
		switch file {
		case "upgrade.yaml":
			return strings.Replace(content, "\n  proxyRef:", "\n  copy: {method: "+method+"}\n  proxyRef:", 1)
		case "base/statefulset.yaml":
			const line = `        - name: POSTGRES_HOST_AUTH_METHOD
          value: "scram-sha-256\nhost replication all all scram-sha-256"
`
			return strings.Replace(content, "        - name: PGDATA\n", line+"        - name: PGDATA\n", 1)
		}
		return content
	}
}
