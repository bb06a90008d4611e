package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/explain"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// captured is a webhook that was captured, as the flags of verify give it.
type captured struct {
	secrets, publicKeys, headers, options []string
	body, url, method, at                 string
	tolerance                             time.Duration
}

func verifyCommand() *cobra.Command {
	var c captured
	cmd := &cobra.Command{
		Use:   "verify <provider>",
		Short: "Says why the signature of a captured webhook is right or wrong",
		Long: `
verify checks a webhook that was captured, such as one that the log says was
refused, and looks for the usual mistakes: a secret of another kind, a body that
was decoded or got a line break, a missing header, a clock, another URL, another
provider.

The body must be the bytes that were sent. Exit code 0: right; 1: not.`,
		Example: "  caddy webhooks verify github --secret s3cret --body push.json \\\n" +
			"      --header 'X-Hub-Signature-256: sha256=…'\n" +
			"  caddy webhooks verify stripe --secret whsec_… --body event.json \\\n" +
			"      --header 'Stripe-Signature: t=…,v1=…' --at 2026-01-02T03:04:05Z",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeProvider,
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&c.secrets, "secret", "s", nil, "The endpoint's secret; several may be given")
	flags.StringArrayVar(&c.publicKeys, "public-key", nil, "The provider's public key, where it signs with a private one")
	flags.StringArrayVarP(&c.headers, "header", "H", nil, "A header that came with it, as 'Name: value'")
	flags.StringArrayVar(&c.options, "option", nil, "An option of the provider, as 'name=value'")
	flags.StringVarP(&c.body, "body", "b", "", "File with the body, - for standard input; default: no body")
	flags.StringVar(&c.url, "url", "https://localhost/", "The URL that the provider called, for providers that sign it")
	flags.StringVar(&c.method, "method", http.MethodPost, "The method that it came with")
	flags.StringVar(&c.at, "at", "", "Check as of this time (RFC 3339); default: now")
	flags.DurationVar(&c.tolerance, "tolerance", verify.DefaultTolerance, "How old it may be")
	asJSON := flags.Bool("json", false, "Print JSON")
	for _, name := range []string{"secret", "public-key", "header", "url", "method", "at", "tolerance"} {
		completeFlag(cmd, name, cobra.NoFileCompletions)
	}
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		explanation, err := c.explain(args[0])
		if err != nil {
			return err
		}
		return printExplanation(cmd.OutOrStdout(), explanation, *asJSON)
	}
	return cmd
}

func (c *captured) explain(provider string) (explain.Explanation, error) {
	var none explain.Explanation
	if provider == verify.CustomName {
		return none, errors.New("schemes of provider custom are in a config only: verify cannot know them")
	}
	p, ok := verify.Lookup(provider)
	if !ok {
		return none, grammar.UnknownProvider(provider)
	}
	request, err := c.request()
	if err != nil {
		return none, err
	}
	settings, err := parseOptions(c.options)
	if err != nil {
		return none, err
	}
	options := verify.Options{Secrets: c.secrets, PublicKeys: c.publicKeys, Settings: settings, Tolerance: c.tolerance}
	if c.at != "" {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			return none, fmt.Errorf("--at %q: want a time such as 2026-01-02T03:04:05Z", c.at)
		}
		options.Now = func() time.Time { return at }
	}
	return explain.Explain(p, options, request)
}

func (c *captured) request() (*verify.Request, error) {
	target, err := parseTarget(c.url)
	if err != nil {
		return nil, err
	}
	header, err := parseHeaders(c.headers, http.Header.Add)
	if err != nil {
		return nil, err
	}
	body, err := readBody(c.body)
	return &verify.Request{
		Method: strings.ToUpper(c.method), Scheme: target.Scheme, Host: target.Host, URI: target.RequestURI(), Header: header, Body: body, MaxText: grammar.MostBody,
	}, err
}

var errNotVerified = no("the signature does not prove this webhook")

func printExplanation(out io.Writer, e explain.Explanation, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(e); err != nil {
			return err
		}
	} else if e.OK {
		fmt.Fprintf(out, "The signature is right (secret %d).\n", e.Result.SecretIndex+1)
	} else {
		fmt.Fprintln(out, clean(e.Detail))
		for _, finding := range e.Findings {
			fmt.Fprintln(out, clean(finding))
		}
	}
	if !e.OK {
		return errNotVerified
	}
	return nil
}
