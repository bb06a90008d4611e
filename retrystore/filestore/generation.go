package filestore

import (
	"crypto/rand"

	"go.etcd.io/bbolt"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var _ retrystore.Conditioned = (*Store)(nil)

// metaGeneration is the key in the bucket meta of what names the file's data.
var metaGeneration = []byte("generation")

// generationOf returns the generation of the file, and names one that has none. A file
// that cannot be written to now gets its name when it is opened again.
func generationOf(db *bbolt.DB, log *zap.Logger) (generation string) {
	err := guard(func() error {
		err := db.View(func(tx *bbolt.Tx) error {
			generation = string(tx.Bucket(bucketMeta).Get(metaGeneration))
			return nil
		})
		if err != nil || generation != "" {
			return err
		}
		name := rand.Text()[:16]
		err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(metaGeneration, []byte(name)) })
		if err == nil {
			generation = name
		}
		return err
	})
	if err != nil {
		log.Warn("the store file could not be given a generation; should it be replaced, that is not noticed", zap.Error(err))
	}
	return generation
}

// Condition tells the generation of the file; see retrystore.Conditioned.
func (s *Store) Condition() retrystore.Condition {
	return retrystore.Condition{Generation: s.generation}
}
