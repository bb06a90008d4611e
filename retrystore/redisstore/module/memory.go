package module

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/statefiles"
)

// states keeps what is known of each Redis across restarts, below Caddy's data directory.
var states = statefiles.New(func() string { return filepath.Join(caddy.AppDataDir(), "webhooks", "redis") })

// memory is the state file of one Redis.
type memory struct {
	name   string
	logger *zap.Logger
	warned sync.Once
}

func newMemory(s *Store, logger *zap.Logger) *memory {
	place, _ := s.Place()
	return &memory{name: fmt.Sprintf("%x", sha256.Sum256([]byte(place)))[:32], logger: logger}
}

// recall returns what was kept; nil if nothing, or nothing that can be read.
func (m *memory) recall() []byte {
	state, err := states.Load(m.name)
	if err != nil {
		return nil
	}
	return state
}

// remember keeps the state. It warns once if it cannot.
func (m *memory) remember(state []byte) {
	if err := states.Save(m.name, state); err != nil {
		m.warned.Do(func() {
			m.logger.Warn("what is known of redis cannot be kept: if it goes back to an older state while Caddy does not run, nobody tells", zap.Error(err))
		})
	}
}
