// Package credentials makes what people and clouds give, keys, tokens and identities, ready for a Git server.
package credentials
