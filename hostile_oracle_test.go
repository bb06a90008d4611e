package caddywebhooks

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// signing is how a provider signs, written down from its documentation with the
// standard library only. It shares nothing with package verify, whose verdicts it judges.
type signing struct {
	provider string
	secret   string
	key      []byte
	block    string // further lines of the directive
	hash     func() hash.Hash
	base64   bool // how the signature is written; else in hex, of either case

	signature []string // headers that may carry it; the first is used to sign
	stamps    []string // likewise of the time; none: the provider signs none
	stampItem string   // or the time is an item of the signature's header
	unit      time.Duration
	ids       []string // likewise of the signed id; none: the provider signs none

	content func(r harness.Parsed, stamp, id string) []string // what may be signed
	format  func(stamp, signature string) string

	contentType, body string
	extra             [][2]string // unsigned headers that the provider sends
}

func body(r harness.Parsed, _, _ string) []string { return []string{r.Body} }

func afterEquals(prefix string) func(string, string) string {
	return func(_, signature string) string { return prefix + signature }
}

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
	someJSON  = `{"id":"evt_1","event_id":"Ev1","type":"invoice.paid","data":{"object":{"amount":1299,"note":"caf\u00e9 ☕","list":[1,2.5e3,null,true]}}}`
)

// signings are one endpoint each, at the path of its name.
func signings() []*signing {
	standard := func(provider, secret string, prefixes ...string) *signing {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			panic(err)
		}
		s := &signing{provider: provider, secret: secret, key: key, hash: sha256.New, base64: true, unit: time.Second,
			content:     func(r harness.Parsed, stamp, id string) []string { return []string{id + "." + stamp + "." + r.Body} },
			format:      afterEquals("v1,"),
			contentType: mediaJSON, body: someJSON}
		for _, prefix := range prefixes {
			s.signature = append(s.signature, prefix+"Signature")
			s.stamps = append(s.stamps, prefix+"Timestamp")
			s.ids = append(s.ids, prefix+"Id")
		}
		return s
	}
	return []*signing{
		{provider: "github", secret: harness.GitHubSecret, hash: sha256.New, signature: []string{"X-Hub-Signature-256"},
			content: body, format: afterEquals("sha256="), contentType: mediaJSON, body: someJSON,
			extra: [][2]string{{"X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"}, {"X-GitHub-Event", "push"}}},
		{provider: "shopify", secret: "shopify-hush", hash: sha256.New, base64: true,
			signature: []string{"X-Shopify-Hmac-Sha256", "Shopify-Hmac-Sha256"},
			content:   body, format: afterEquals(""), contentType: mediaJSON, body: someJSON,
			extra: [][2]string{{"X-Shopify-Event-Id", "98880550-7158-44d4-b7cd-2c97c8a091b5"}, {"X-Shopify-Topic", "orders/create"}}},
		{provider: "slack", secret: "slack-hush", hash: sha256.New, unit: time.Second,
			signature: []string{"X-Slack-Signature"}, stamps: []string{"X-Slack-Request-Timestamp"},
			content: func(r harness.Parsed, stamp, _ string) []string { return []string{"v0:" + stamp + ":" + r.Body} },
			format:  afterEquals("v0="), contentType: mediaJSON, body: someJSON},
		{provider: "stripe", secret: "whsec_stripe-hush", hash: sha256.New, unit: time.Second,
			signature: []string{"Stripe-Signature"}, stampItem: "t=",
			content:     func(r harness.Parsed, stamp, _ string) []string { return []string{stamp + "." + r.Body} },
			format:      func(stamp, signature string) string { return "t=" + stamp + ",v1=" + signature },
			contentType: mediaJSON, body: someJSON},
		standard("svix", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "Svix-", "Webhook-"),
		standard("standard-webhooks", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "Webhook-"),
		{provider: "twilio", secret: "twilio-hush", hash: sha1.New, base64: true, signature: []string{"X-Twilio-Signature"},
			content: twilioContent, format: afterEquals(""), contentType: mediaForm,
			body:  "AccountSid=AC1&Body=Hello+caf%C3%A9&From=%2B15551234567&MessageStatus=sent",
			extra: [][2]string{{"I-Twilio-Idempotency-Token", "b0c7ec9a-1e9f-4a3e-9d7c-2f6d4a3c3a10"}}},
		{provider: "custom", secret: "custom-hush", hash: sha256.New, unit: time.Millisecond,
			signature: []string{"X-Signature"}, stamps: []string{"X-Timestamp"}, ids: []string{"X-Event-Id"},
			content: func(r harness.Parsed, stamp, id string) []string { return []string{stamp + "." + id + "." + r.Body} },
			format:  afterEquals("sha256="), contentType: mediaJSON, body: someJSON,
			block: "verify hmac-sha256 {\nsignature header X-Signature\nformat \"sha256={hex}\"\ncontent \"{timestamp}.{id}.{body}\"\n" +
				"timestamp header X-Timestamp ms\nid header X-Event-Id\ntype json /type\n}"},
	}
}

// twilioContent is the URL, followed by the sorted fields of a form; or the URL
// alone, if it has the hash of the body.
func twilioContent(r harness.Parsed, _, _ string) []string {
	target := r.RequestURI
	if _, rest, found := strings.Cut(target, "://"); found && !strings.HasPrefix(target, "/") {
		target = ""
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			target = rest[i:]
		}
	}
	var fields []string
	media, _, _ := strings.Cut(strings.Join(r.Header["Content-Type"], "\n"), ";")
	if strings.EqualFold(strings.TrimSpace(media), mediaForm) || r.Body == "" {
		for pair := range strings.SplitSeq(r.Body, "&") {
			name, value, _ := strings.Cut(pair, "=")
			name, err1 := url.QueryUnescape(name)
			value, err2 := url.QueryUnescape(value)
			if err1 != nil || err2 != nil {
				return nil
			}
			fields = append(fields, name+"\x00"+value) // as no field of ours has it: sorts by name, then value
		}
	} else if _, query, _ := strings.Cut(target, "?"); !strings.Contains(query, fmt.Sprintf("bodySHA256=%x", sha256.Sum256([]byte(r.Body)))) {
		return nil
	}
	slices.Sort(fields)
	form := strings.ReplaceAll(strings.Join(slices.Compact(fields), ""), "\x00", "")
	name := (&url.URL{Host: r.Host}).Hostname()
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	var contents []string
	for _, host := range []string{r.Host, name, name + ":80"} {
		contents = append(contents, "http://"+host+target+form)
	}
	return contents
}

// message is a request as the provider would make it, without a signature.
func (s *signing) message(host string) harness.Message {
	m := harness.Message{Method: "POST", Target: "/" + s.provider, Proto: "HTTP/1.1", Body: s.body}
	m = m.With("Host", host).With("Content-Type", s.contentType)
	m.Header = append(m.Header, s.extra...)
	return m
}

// sign returns m signed at that time.
func (s *signing) sign(m harness.Message, at time.Time) harness.Message {
	stamp, id := "", ""
	if s.unit > 0 {
		stamp = strconv.FormatInt(at.UnixNano()/int64(s.unit), 10)
	}
	if len(s.stamps) > 0 {
		m = m.Set(s.stamps[0], stamp)
	}
	if len(s.ids) > 0 {
		if id = m.Get(s.ids[0]); id == "" {
			id = "msg_1"
			m = m.With(s.ids[0], id)
		}
	}
	r := harness.Parsed{Request: &http.Request{Host: m.Get("Host"), RequestURI: m.Target, Header: http.Header{"Content-Type": {m.Get("Content-Type")}}}, Body: m.Body}
	for _, content := range s.content(r, stamp, id) {
		return m.Set(s.signature[0], s.format(stamp, s.mac(content)))
	}
	return m
}

// forge returns m with a signature that is right but for its secret.
func (s *signing) forge(m harness.Message, at time.Time) harness.Message {
	other := *s
	other.key = []byte("some other secret")
	return other.sign(m, at)
}

func (s *signing) mac(content string) string {
	key := s.key
	if key == nil {
		key = []byte(s.secret)
	}
	mac := hmac.New(s.hash, key)
	mac.Write([]byte(content))
	if s.base64 {
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// signed reports whether somebody who knows the secret signed exactly this
// content within the tolerance: whether its right signature stands anywhere in the headers
// for it. It is generous about form, since nobody else can make that signature.
func (s *signing) signed(r harness.Parsed) bool {
	values := s.values(r, s.signature)
	stamps, ids := s.values(r, s.stamps), s.values(r, s.ids)
	if s.stampItem != "" {
		for _, value := range values {
			for item := range strings.SplitSeq(value, ",") {
				if stamp, found := strings.CutPrefix(strings.TrimSpace(item), s.stampItem); found {
					stamps = append(stamps, stamp)
				}
			}
		}
	}
	if s.unit == 0 {
		stamps = []string{""}
	}
	if len(s.ids) == 0 {
		ids = []string{""}
	}
	all := strings.Join(values, "\n")
	if !s.base64 {
		all = strings.ToLower(all)
	}
	for _, stamp := range stamps {
		if !s.fresh(stamp) {
			continue
		}
		for _, id := range ids {
			if slices.ContainsFunc(s.content(r, stamp, id), func(c string) bool { return strings.Contains(all, s.mac(c)) }) {
				return true
			}
		}
	}
	return false
}

func (s *signing) values(r harness.Parsed, names []string) (values []string) {
	for _, name := range names {
		values = append(values, r.Header.Values(name)...)
	}
	return values
}

func (s *signing) fresh(stamp string) bool {
	if s.unit == 0 {
		return true
	}
	n, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	at := time.Unix(n, 0)
	if s.unit == time.Millisecond {
		at = time.UnixMilli(n)
	}
	return time.Since(at).Abs() <= verify.DefaultTolerance+time.Second
}
