package caddywebhooks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

func (h *Handler) shakeHandsUnsigned(in *inbound) *answer { return h.shakeHands(in, false) }
func (h *Handler) shakeHandsSigned(in *inbound) *answer   { return h.shakeHands(in, true) }

func (h *Handler) shakeHands(in *inbound, verified bool) *answer {
	reply, ok := h.verifier.Handshake(&in.signed, verified)
	if !ok {
		return nil
	}
	if secret, offered := h.verifier.OfferedSecret(&in.signed); offered {
		if a := h.keepOffered(in, secret); a != nil {
			return a
		}
	}
	return handshake(reply)
}

// Some providers make up the secret themselves and hand it over in a handshake
// (Asana, Notion). Only the operator can tell whether it was the provider who did,
// so the secret goes into a file that only Caddy's user can read, and the log says
// which; from there it comes into the config as `secret {file.<path>}`.

// maxOffered bounds the files of an endpoint: anybody can offer secrets. Their
// size is bounded where they are read (verify.Verifier.OfferedSecret).
const maxOffered = 10

var errTooManyOffered = errors.New("too many secrets were offered: remove those files that are not needed")

// notInFileNames is what an endpoint's name may contain and a file's should not.
var notInFileNames = regexp.MustCompile(`[^A-Za-z0-9._-]`)

func offeredDirectory() string { return filepath.Join(caddy.AppDataDir(), "webhooks", "offered") }

// keepOffered saves a secret that was handed over, or returns the answer that
// has the provider try again later.
func (h *Handler) keepOffered(in *inbound, secret string) *answer {
	path, err := saveOffered(offeredDirectory(), h.Name, secret)
	if err != nil {
		return unavailable(retryLater, "offered_secret", err)
	}
	h.logger.Warn("a secret was offered to an endpoint; if that was the provider, add the file to the endpoint's secrets, else remove it",
		zap.String("endpoint", h.Name), zap.String("file", path), zap.String("setting", "secret {file."+path+"}"),
		zap.String("client_ip", in.clientName()), zap.String("correlation_id", in.correlationID))
	return nil
}

// saveOffered writes to the first free of the endpoint's files. Both steps that
// may fail come before the provider is answered.
func saveOffered(directory, endpoint, secret string) (path string, err error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return "", err
	}
	for n := 1; n <= maxOffered; n++ {
		path := filepath.Join(directory, fmt.Sprintf("%s-%d", notInFileNames.ReplaceAllString(endpoint, "_"), n))
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			if known, err := os.ReadFile(path); err == nil && string(known) == secret {
				return path, nil // offered again
			}
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = file.WriteString(secret)
		if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
			_ = os.Remove(path) // half a secret takes no place
		}
		return path, err
	}
	return "", errTooManyOffered
}
