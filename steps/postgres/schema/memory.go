package schema

import (
	"crypto/sha256"
	"fmt"
	"sync"
)

// memory of this process, so that unchanged schemas aren't read again. When it is full, it is emptied.
type memory[V any] struct {
	most int
	mu   sync.Mutex
	kept map[[sha256.Size]byte]V
}

func (m *memory[V]) get(key [sha256.Size]byte) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, found := m.kept[key]
	return value, found
}

func (m *memory[V]) put(key [sha256.Size]byte, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= m.most {
		m.kept = map[[sha256.Size]byte]V{}
	}
	m.kept[key] = value
}

// sum of words, in an order that matters.
func sum(words ...string) (s [sha256.Size]byte) {
	hash := sha256.New()
	for _, w := range words {
		fmt.Fprintf(hash, "%d:%s", len(w), w)
	}
	hash.Sum(s[:0])
	return s
}
