package pooler

import "context"

// Averages of the work that passed a pooler, over a period of the pooler's own (PgBouncer: stats_period, a minute).
type Averages struct {
	// QueriesPerSecond and TransactionsPerSecond that ended.
	QueriesPerSecond      float64 `json:"queriesPerSecond"`
	TransactionsPerSecond float64 `json:"transactionsPerSecond"`
	// QueryMilliseconds and TransactionMilliseconds that one took on average; 0 if there was none.
	QueryMilliseconds       float64 `json:"queryMilliseconds"`
	TransactionMilliseconds float64 `json:"transactionMilliseconds"`
	// WaitMilliseconds that all clients together waited for a server connection, in each second.
	WaitMilliseconds float64 `json:"waitMilliseconds"`
}

// Averager is a Session of a pooler that measures.
type Averager interface {
	Averages(ctx context.Context) (Averages, error)
}

// Add the averages of another database or pooler. Times are weighted by how much they are of.
func (a Averages) Add(b Averages) Averages {
	weighted := func(x, n, y, m float64) float64 {
		if n+m == 0 {
			return 0
		}
		return (x*n + y*m) / (n + m)
	}
	return Averages{
		QueriesPerSecond: a.QueriesPerSecond + b.QueriesPerSecond, TransactionsPerSecond: a.TransactionsPerSecond + b.TransactionsPerSecond,
		QueryMilliseconds:       weighted(a.QueryMilliseconds, a.QueriesPerSecond, b.QueryMilliseconds, b.QueriesPerSecond),
		TransactionMilliseconds: weighted(a.TransactionMilliseconds, a.TransactionsPerSecond, b.TransactionMilliseconds, b.TransactionsPerSecond),
		WaitMilliseconds:        a.WaitMilliseconds + b.WaitMilliseconds,
	}
}
