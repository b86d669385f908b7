//go:build !crashpoints

package crash

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"
)

// Scope begins a stretch of work of whose effects one at a time may be crashed in.
func Scope(ctx context.Context) context.Context { return ctx }

// Before an effect.
func Before(context.Context, string) {}

// After an effect.
func After(context.Context, string) {}

// SQL lets a session be crashed in.
func SQL(*pgx.ConnConfig) {}

// HTTP lets requests be crashed in.
func HTTP(transport http.RoundTripper) http.RoundTripper { return transport }
