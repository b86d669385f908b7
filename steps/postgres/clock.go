package postgres

import (
	"context"
	"time"
)

// Clock is the time of day on a server.
func Clock(ctx context.Context, s Server) (time.Time, error) {
	return Scalar[time.Time](ctx, s, "", query("clock"))
}
