package caddywebhooks

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/sample"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// signer makes signed webhooks of one provider from a command's flags.
type signer struct {
	provider, secret, body, eventID, eventType string
	headers                                    []string
}

func (s *signer) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.secret, "secret", "s", "", "The endpoint's secret (required)")
	cmd.Flags().StringVarP(&s.body, "body", "b", "", "File with the body, - for standard input; default: a small example")
	cmd.Flags().StringVar(&s.eventID, "event-id", "", "Id of the event; default: a new one")
	cmd.Flags().StringVar(&s.eventType, "type", "test", "Type of the event")
	cmd.Flags().StringArrayVarP(&s.headers, "header", "H", nil, "A further header, as 'Name: value'")
	_ = cmd.MarkFlagRequired("secret")
}

// webhooks returns a function that makes a signed webhook at each call.
func (s *signer) webhooks(target *url.URL) (func() (*verify.Request, error), error) {
	if s.provider == custom {
		return nil, errors.New("schemes of provider custom are in a config only: sign and send cannot make them")
	}
	provider, ok := verify.Lookup(s.provider)
	if !ok {
		return nil, unknownProvider(s.provider)
	}
	verifier, err := provider.NewVerifier(verify.Options{Secrets: []string{s.secret}})
	if err != nil {
		return nil, err
	}
	body, err := s.readBody()
	if err != nil {
		return nil, err
	}
	further := make(http.Header)
	for _, header := range s.headers {
		name, value, ok := strings.Cut(header, ":")
		if !ok {
			return nil, fmt.Errorf("header %q: want 'Name: value'", header)
		}
		further.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return func() (*verify.Request, error) {
		id := s.eventID
		if id == "" {
			id = "evt_" + rand.Text()
		}
		r := sample.New(provider, target, id, s.eventType)
		if body != nil {
			r.Body = body
		}
		maps.Copy(r.Header, further)
		return r, verifier.Sign(r, time.Now())
	}, nil
}

func (s *signer) readBody() ([]byte, error) {
	switch s.body {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(s.body)
}

func signCommand() *cobra.Command {
	var s signer
	cmd := &cobra.Command{
		Use:     "sign <provider>",
		Short:   "Prints the headers with which the provider would send a body",
		Example: "  caddy webhooks sign github --secret s3cret --body push.json",
		Args:    cobra.ExactArgs(1),
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

// lineFeeds turns the line ends of HTTP into those of a terminal.
type lineFeeds struct{ io.Writer }

// Write implements io.Writer.
func (l lineFeeds) Write(p []byte) (int, error) {
	_, err := l.Writer.Write(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")))
	return len(p), err
}

func parseTarget(text string) (*url.URL, error) {
	target, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("%q is not an http or https URL", text)
	}
	return target, nil
}

func sendCommand() *cobra.Command {
	var s signer
	cmd := &cobra.Command{
		Use:   "send <provider> <url>",
		Short: "Sends signed webhooks to an endpoint, as the provider would",
		Example: "  caddy webhooks send stripe http://localhost:8080/stripe --secret whsec_demo\n" +
			"  caddy webhooks send github http://localhost:8080/github --secret s3cret --count 1000 --concurrency 32",
		Args: cobra.ExactArgs(2),
	}
	s.flags(cmd)
	count := cmd.Flags().IntP("count", "n", 1, "How many events")
	concurrency := cmd.Flags().Int("concurrency", 1, "How many at a time")
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
		return newSendRun(next, *concurrency).run(cmd.OutOrStdout(), *count)
	}
	return cmd
}

// sendRun sends many webhooks and counts what they were answered.
type sendRun struct {
	next        func() (*verify.Request, error)
	client      *http.Client
	concurrency int

	mu        sync.Mutex
	answers   map[string]int // "202 accepted" to how many
	durations []time.Duration
	failed    int
	last      error
}

const sendTimeout = 30 * time.Second

func newSendRun(next func() (*verify.Request, error), concurrency int) *sendRun {
	return &sendRun{
		next:        next,
		concurrency: concurrency,
		answers:     make(map[string]int),
		client: &http.Client{
			Timeout:   sendTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: concurrency, Proxy: http.ProxyFromEnvironment},
		},
	}
}

func (s *sendRun) run(out io.Writer, count int) error {
	var left atomic.Int64
	left.Store(int64(count))
	started := time.Now()
	var group sync.WaitGroup
	for range min(s.concurrency, count) {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				s.sendOne()
			}
		})
	}
	group.Wait()
	s.print(out, count, time.Since(started))
	if s.last != nil {
		return fmt.Errorf("%d of %d were not answered: %w", s.failed, count, s.last)
	}
	for answer := range s.answers {
		if !strings.HasPrefix(answer, "2") {
			return errors.New("not every webhook was accepted" + hint(answer))
		}
	}
	return nil
}

// hint says what is likely wrong.
func hint(answer string) string {
	switch {
	case strings.HasSuffix(answer, "https_required"):
		return ": use an https URL, or `require_https off` in the endpoint"
	case strings.HasPrefix(answer, "401"):
		return ": --secret is not the endpoint's, or the endpoint is another provider's; Caddy's log has the reason"
	case strings.HasPrefix(answer, "404"):
		return ": there is no webhooks endpoint at that URL"
	}
	return ""
}

func (s *sendRun) sendOne() {
	answer, took, err := s.post()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed++
		s.last = err
		return
	}
	s.answers[answer]++
	s.durations = append(s.durations, took)
}

func (s *sendRun) post() (answer string, took time.Duration, err error) {
	signed, err := s.next()
	if err != nil {
		return "", 0, err
	}
	r, err := http.NewRequest(signed.Method, signed.URL(), bytes.NewReader(signed.Body))
	if err != nil {
		return "", 0, err
	}
	r.Header = signed.Header
	started := time.Now()
	response, err := s.client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", response.Header.Get("Webhook-Status"))), time.Since(started), err
}

// print sums up: answers with their counts, and how long they took.
func (s *sendRun) print(out io.Writer, count int, took time.Duration) {
	table := newTable(out)
	words := make([]string, 0, len(s.answers))
	for answer := range s.answers {
		words = append(words, answer)
	}
	slices.Sort(words)
	for _, answer := range words {
		fmt.Fprintf(table, "%s\t%d\n", answer, s.answers[answer])
	}
	if s.failed > 0 {
		fmt.Fprintf(table, "no answer\t%d\n", s.failed)
	}
	_ = table.Flush()
	if n := len(s.durations); n > 0 {
		slices.Sort(s.durations)
		fmt.Fprintf(out, "%d in %s, median %s, 99%% within %s\n", count, took.Round(time.Millisecond),
			s.durations[n/2].Round(10*time.Microsecond), s.durations[(n-1)*99/100].Round(10*time.Microsecond))
	}
}
