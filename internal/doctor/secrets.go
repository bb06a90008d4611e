package doctor

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
)

// checkSecrets looks at the secrets' form. It tells their positions only.
func (d *diagnosis) checkSecrets(e *Endpoint) {
	if e.SecretsErr != nil {
		d.add(api.LevelError, "secret", e.Name, e.SecretsErr.Error()+": the running endpoint still has it, but the next reload or start will fail",
			"Set the variable for Caddy's process, or make the file readable for its user.")
		return
	}
	d.checkLoaded(e)
	for i, secret := range e.Secrets {
		_, password, isPair := strings.Cut(secret, ":")
		if !isPair {
			password = secret
		}
		password = strings.TrimPrefix(password, e.Row.SecretPrefix)
		var what string
		switch {
		case looksLikeTest(password):
			what = "looks like one of an example"
		case len(password) < shortSecret:
			what = fmt.Sprintf("has less than %d bytes", shortSecret)
		default:
			if doubt, _ := e.Row.CheckSecret(secret); doubt != "" {
				d.add(api.LevelWarn, "secret", e.Name, fmt.Sprintf("secret %d %s", i+1, doubt), "Use the webhook's own secret.")
			}
			continue
		}
		d.add(api.LevelWarn, "secret", e.Name, fmt.Sprintf("secret %d %s: anybody who guesses it can forge webhooks", i+1, what),
			"Use the one that the provider made; where you choose it yourself, take a long random one (`openssl rand -hex 32`).")
	}
}

// checkRotation looks at endpoints with several secrets: a rotation ends with one.
func (d *diagnosis) checkRotation(e *Endpoint) {
	uses := e.Uses
	if len(uses) < 2 {
		return
	}
	var active, idle []string
	for i, use := range uses {
		switch {
		case d.Now.Sub(use.Last) < rotationTime:
			active = append(active, fmt.Sprint(i+1))
		case d.Now.Sub(use.Since) >= rotationTime:
			idle = append(idle, fmt.Sprint(i+1))
		}
	}
	switch {
	case len(active) > 1 && d.Now.Sub(youngest(uses)) >= rotationTime:
		d.add(api.LevelWarn, "rotation", e.Name, fmt.Sprintf("secrets %s have all signed webhooks within a day: the old one is still in use", strings.Join(active, " and ")),
			fmt.Sprintf("Finish the rotation at %s, so that it signs with the new one only.", e.Row.Title))
	case len(active) == 1 && len(idle) > 0:
		d.add(api.LevelWarn, "rotation", e.Name, fmt.Sprintf("only secret %s is in use; secret %s has signed nothing for at least a day", active[0], strings.Join(idle, " and ")),
			fmt.Sprintf("If the rotation is over, remove secret %s; if not, switch %s to the new one. The first is the one that late attempts are signed with.", strings.Join(idle, " and "), e.Row.Title))
	}
}

// youngest is when the newest secret was configured.
func youngest(uses []traffic.SecretUse) (since time.Time) {
	for _, use := range uses {
		if use.Since.After(since) {
			since = use.Since
		}
	}
	return since
}

// checkLoaded reports secrets in use that differ from what the file or the environment says now: Caddy
// does not load an unchanged config again, and the config does not change with the file.
func (d *diagnosis) checkLoaded(e *Endpoint) {
	for _, o := range e.Outdated {
		d.add(api.LevelError, "secret", e.Name, fmt.Sprintf("secret %d: %s has another value than the one that is in use, so what is signed with the new one is refused", o.Index, o.Placeholder),
			"Load the config again with `caddy reload --force`: without --force Caddy skips a config that has not changed, and the placeholder has not.")
	}
}

// isText reports whether all is printable ASCII, as random bytes never are.
func isText(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}

// looksLikeTest reports whether a secret looks like an example's: by its words, also in base64, or because
// it has hardly any different characters. In a long one, such as a key in PEM, the letters of a word may
// stand together by chance.
func looksLikeTest(secret string) bool {
	if decoded, err := base64.StdEncoding.DecodeString(secret); err == nil && isText(decoded) {
		secret = string(decoded)
	}
	text := strings.ToLower(secret)
	if len(text) > 100 {
		return false
	}
	for _, word := range []string{"test", "demo", "secret", "s3cret", "example", "changeme", "change_me", "password", "12345678", "todo"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	different := make(map[rune]struct{})
	for _, r := range text {
		different[r] = struct{}{}
	}
	return len(different) < 5
}
