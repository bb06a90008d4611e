package cli

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/pace"
	"github.com/caddywebhooks/caddy-webhooks/internal/sample"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// signer makes signed webhooks of one provider from a command's flags.
type signer struct {
	provider, secret, body, eventID, eventType string
	headers, options                           []string
}

func (s *signer) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.secret, "secret", "s", "", "The endpoint's secret (required)")
	cmd.Flags().StringVarP(&s.body, "body", "b", "", "File with the body, - for standard input; default: a small example")
	cmd.Flags().StringVar(&s.eventID, "event-id", "", "Id of the event; default: a new one")
	cmd.Flags().StringVar(&s.eventType, "type", "test", "Type of the event")
	cmd.Flags().StringArrayVarP(&s.headers, "header", "H", nil, "A further header, as 'Name: value'")
	cmd.Flags().StringArrayVar(&s.options, "option", nil, "An option of the provider, as 'name=value'")
	_ = cmd.MarkFlagRequired("secret")
	cmd.ValidArgsFunction = completeProvider
	for _, name := range []string{"secret", "event-id", "type", "header", "option"} {
		completeFlag(cmd, name, cobra.NoFileCompletions)
	}
}

// webhooks returns a function that makes a new signed webhook at each call. It may be called concurrently.
func (s *signer) webhooks(target *url.URL) (func() (*verify.Request, error), error) {
	if s.provider == verify.CustomName {
		return nil, errors.New("schemes of provider custom are in a config only: sign and send cannot make them")
	}
	provider, ok := verify.Lookup(s.provider)
	if !ok {
		return nil, grammar.UnknownProvider(s.provider)
	}
	if _, err := provider.CheckSecret(s.secret); err != nil {
		return nil, fmt.Errorf("the secret %w", err)
	}
	settings, err := parseOptions(s.options)
	if err != nil {
		return nil, err
	}
	verifier, err := provider.NewVerifier(verify.Options{Secrets: []string{s.secret}, Settings: settings})
	if err != nil {
		return nil, err
	}
	body, err := readBody(s.body)
	if err != nil {
		return nil, err
	}
	further, err := parseHeaders(s.headers, http.Header.Set)
	if err != nil {
		return nil, err
	}
	return func() (*verify.Request, error) {
		id := s.eventID
		if id == "" {
			id = "evt_" + rand.Text()
		}
		now := time.Now()
		r := sample.New(provider, target, sample.Webhook{EventID: id, EventType: s.eventType, At: now, Secret: s.secret})
		if body != nil {
			r.Body = body
		}
		maps.Copy(r.Header, further)
		if !verifier.CanSign() {
			if _, err := verifier.Verify(r); err == nil {
				return r, nil // the secret itself is in the body
			}
		}
		return r, verifier.Sign(r, now)
	}, nil
}

func signCommand() *cobra.Command {
	var s signer
	cmd := &cobra.Command{
		Use:   "sign <provider>",
		Short: "Prints the headers with which the provider would send a body",
		Example: "  caddy webhooks sign github --secret s3cret --body push.json\n" +
			"  echo '{}' | caddy webhooks sign stripe --secret whsec_demo --body -",
		Args: cobra.ExactArgs(1),
	}
	s.flags(cmd)
	target := cmd.Flags().String("url", "https://localhost/", "The URL, for providers that sign it")
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.provider = args[0]
		parsed, err := parseTarget(*target)
		if err != nil {
			return err
		}
		next, err := s.webhooks(parsed)
		if err != nil {
			return err
		}
		r, err := next()
		if err != nil {
			return err
		}
		if err := r.Header.Write(lineFeeds{cmd.OutOrStdout()}); err != nil {
			return err
		}
		if s.body == "" {
			fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", r.Body)
		}
		return nil
	}
	return cmd
}

// lineFeeds replaces the line ends of HTTP, CR LF, by LF.
type lineFeeds struct{ io.Writer }

// Write implements io.Writer.
func (l lineFeeds) Write(p []byte) (int, error) {
	_, err := l.Writer.Write(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")))
	return len(p), err
}

func sendCommand() *cobra.Command {
	var s signer
	cmd := &cobra.Command{
		Use:   "send <provider> <url>",
		Short: "Sends signed webhooks to an endpoint, as the provider would",
		Long: `
send makes webhooks, sends them, and says what they were answered and how long
that took. Ctrl-C ends it; what was sent by then is summed up. Exit code 0: all
were accepted; 1: not all. What no destination wants is answered as ignored, and
is not accepted.`,
		Example: "  caddy webhooks send stripe http://localhost:8080/stripe --secret whsec_demo\n" +
			"  caddy webhooks send github http://localhost:8080/github --secret s3cret \\\n" +
			"      --type push --body push.json\n" +
			"  caddy webhooks send github http://localhost:8080/github --secret s3cret \\\n" +
			"      --count 1000 --concurrency 32 --rate 200/s",
		Args: cobra.ExactArgs(2),
	}
	s.flags(cmd)
	count := cmd.Flags().IntP("count", "n", 1, "How many events")
	concurrency := cmd.Flags().Int("concurrency", 1, "How many at a time")
	rate := cmd.Flags().String("rate", "", "How many to begin per time at most, such as 10/s; default: no limit")
	asJSON := cmd.Flags().Bool("json", false, "Print the summary as JSON")
	for _, name := range []string{"count", "concurrency", "rate"} {
		completeFlag(cmd, name, cobra.NoFileCompletions)
	}
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *count < 1 || *concurrency < 1 {
			return errors.New("--count and --concurrency want at least 1")
		}
		s.provider = args[0]
		target, err := parseTarget(args[1])
		if err != nil {
			return err
		}
		next, err := s.webhooks(target)
		if err != nil {
			return err
		}
		run := newSendRun(next, *count, *concurrency)
		if cmd.Flags().Changed("rate") {
			perSecond, err := limiter.ParseRate(*rate)
			if err != nil {
				return fmt.Errorf("--rate: %w", err)
			}
			run.pace = pace.New(perSecond)
		}
		run.bar = progress{out: newScreen(cmd.ErrOrStderr()), quiet: *count == 1 || *asJSON, what: "send", total: *count}
		ctx, stop := interruptible(cmd.Context())
		defer stop()
		return run.run(ctx, newScreen(cmd.OutOrStdout()), *asJSON)
	}
	return cmd
}
