// Package catalog describes the table of providers for people: for the command
// line, and as docs/providers.md.
package catalog

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Description is a provider in words.
type Description struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Category    string   `json:"category"`
	Docs        string   `json:"docs"`
	Signature   []string `json:"signature"` // how it signs; several ways in the order in which they are tried
	SignsTime   bool     `json:"signs_time"`
	Renewal     string   `json:"renewal"`      // whether late deliveries get a fresh signature, or why not
	FetchesKeys bool     `json:"fetches_keys"` // whether its public keys are fetched
	EventID     []string `json:"event_id,omitempty"`
	EventType   []string `json:"event_type,omitempty"`
	Identity    []string `json:"identity,omitempty"` // what tells events apart, all together, where the id alone does not
	Apart       string   `json:"told_apart_by"`      // what tells events apart
	Success     string   `json:"success"`            // what the provider counts as success, and is answered
	Answered    int      `json:"answered"`           // status of what is accepted
	NeverAgain  bool     `json:"never_again"`        // what was not acknowledged does not come again
	MaxBody     int64    `json:"max_body,omitempty"` // bytes
	Repeats     bool     `json:"repeats,omitempty"`  // different events may be the same to the byte: nothing is a duplicate
	Methods     []string `json:"methods"`
	MediaTypes  []string `json:"content_types,omitempty"`
	Handshakes  []string `json:"handshakes,omitempty"`
	Options     []Option `json:"options,omitempty"`
	Setup       string   `json:"setup"`
	Notes       string   `json:"notes,omitempty"`
	Deadline    string   `json:"deadline,omitempty"`
	Retries     string   `json:"retries,omitempty"`
	PublishesIP bool     `json:"publishes_ips"`
	Evidence    string   `json:"evidence"`
	Caddyfile   string   `json:"caddyfile"`
}

// Option is a setting of the provider.
type Option struct {
	Name     string `json:"name"`
	Doc      string `json:"doc"`
	Required bool   `json:"required"`
}

// Describe puts a row into words.
func Describe(p *verify.Provider) Description {
	d := Description{
		Name: p.Name, Title: p.Title, Category: p.Category, Docs: p.Docs, Setup: p.Setup, Notes: p.Notes, Retries: p.Retries,
		Methods: p.Methods, MediaTypes: p.ContentTypes, PublishesIP: p.Ranges != nil,
		Evidence:  evidence[p.Evidence],
		EventID:   sources(p.EventID),
		EventType: sources(p.EventType),
		Identity:  sources(p.Identity),
		Apart:     apart(p),
		Success:   success(p),
		Answered:  answered(p),
		Repeats:   p.Repeats, NeverAgain: p.NeverAgain, MaxBody: p.MaxBody,
	}
	if p.Deadline > 0 {
		d.Deadline = seconds(p.Deadline)
	}
	traits := p.Traits()
	for _, way := range traits.Ways {
		d.Signature = append(d.Signature, signature(way))
	}
	d.SignsTime, d.Renewal, d.FetchesKeys = traits.SignsTimestamp, string(p.Renewal()), traits.FetchedKeys
	for i := range p.Handshakes {
		if h := handshake(p, &p.Handshakes[i]); !slices.Contains(d.Handshakes, h) {
			d.Handshakes = append(d.Handshakes, h)
		}
	}
	for _, s := range p.Settings {
		d.Options = append(d.Options, Option{s.Name, s.Doc, s.Required})
	}
	d.Caddyfile = snippet(p)
	return d
}

// evidence says what vouches for a row.
var evidence = map[verify.Evidence]string{
	verify.FromSDK:  "the provider's own library",
	verify.FromDocs: "examples in the provider's documentation",
	verify.ByHand:   "the words of the provider's documentation",
}

func sources(list []verify.Source) []string {
	var words []string
	for _, s := range list {
		words = append(words, s.String())
	}
	return words
}

func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%g s", d.Seconds())
	}
	return fmt.Sprintf("%g min", d.Minutes())
}

var algorithms = map[string]string{
	"token": "shared token", "basic": "HTTP Basic", "ed25519": "Ed25519", "rsa-sha1": "RSA with SHA-1", "rsa-sha256": "RSA with SHA-256",
	"rsa-sha512": "RSA with SHA-512", "rsa-pss-sha256": "RSA-PSS with SHA-256", "ecdsa-p256-sha256": "ECDSA (P-256)",
}

func algorithm(name string) string {
	if word, ok := algorithms[name]; ok {
		return word
	}
	if hash, ok := strings.CutPrefix(name, "hmac-"); ok {
		return "HMAC-" + hashName(hash)
	}
	if strings.HasPrefix(name, "sha") || strings.HasPrefix(name, "md5") {
		return hashName(name)
	}
	return name
}

func hashName(hash string) string {
	return strings.Replace(strings.ToUpper(hash), "SHA", "SHA-", 1)
}

// signature says it as in "HMAC-SHA-256 of {timestamp}.{body}, in header Stripe-Signature".
func signature(w verify.Way) string {
	text := algorithm(w.Algorithm)
	if w.Content != "" {
		text += " of " + w.Content
	}
	return text + ", in " + w.Place
}

func handshake(p *verify.Provider, h *verify.Handshake) string {
	method := h.Method
	if method == "" {
		method = p.Methods[0]
	}
	text := method
	switch {
	case h.When.IsZero():
	case h.Equals != "":
		text += fmt.Sprintf(" with %s = %s", h.When, h.Equals)
	default:
		text += " with " + h.When.String()
	}
	if h.Signed {
		text = "signed " + text
	}
	switch {
	case !h.Secret.IsZero():
		return text + ": takes the secret, which is saved for the operator"
	case h.Digest || h.Sign != "":
		return text + ": proves that we know the secret"
	case !h.Token.IsZero():
		return text + ": checks the token, repeats the challenge"
	case !h.Echo.IsZero():
		return text + ": repeats the challenge"
	}
	return fmt.Sprintf("%s: answers %d %s", text, h.Answer.Status, http.StatusText(h.Answer.Status))
}

// snippet is the smallest endpoint that works.
func snippet(p *verify.Provider) string {
	name := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(p.Name))
	var b strings.Builder
	fmt.Fprintf(&b, "webhooks /%s %s {\n", p.Name, p.Name)
	switch traits := p.Traits(); {
	case traits.SharedSecret:
		fmt.Fprintf(&b, "\tsecret {env.%s_SECRET}\n", name)
	case traits.KeyPair:
		fmt.Fprintf(&b, "\tpublic_key {env.%s_PUBLIC_KEY}\n", name)
	}
	for _, s := range p.Settings {
		line := fmt.Sprintf("option %s {env.%s_%s}", s.Name, name, strings.ToUpper(s.Name))
		needed := s.Required || slices.ContainsFunc(p.Handshakes, func(h verify.Handshake) bool { return h.TokenSetting == s.Name })
		if !needed {
			line = "# " + line
		}
		fmt.Fprintf(&b, "\t%s\n", line)
	}
	b.WriteString("\tforward localhost:3000\n}\n")
	return b.String()
}
