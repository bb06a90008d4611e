package harness

import (
	"net/http"
	"net/url"

	"github.com/caddywebhooks/caddy-webhooks/internal/sample"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// SampleRequest is a webhook as the provider would send it to the endpoint of its name.
func SampleRequest(c *Caddy, provider string, webhook sample.Webhook) *http.Request {
	c.T.Helper()
	p, _ := verify.Lookup(provider)
	target, err := url.Parse(c.Site + "/" + provider)
	if err != nil {
		c.T.Fatal(err)
	}
	verifier, err := p.NewVerifier(verify.Options{Secrets: []string{ContractSecret}})
	if err != nil {
		c.T.Fatal(err)
	}
	signed := sample.New(p, target, webhook)
	if err := verifier.Sign(signed, webhook.At); err != nil {
		c.T.Fatal(err)
	}
	r := c.Request(signed.Method, signed.URL(), string(signed.Body))
	r.Header = signed.Header
	return r
}
