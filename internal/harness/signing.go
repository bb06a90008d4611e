package harness

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

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Signing is how a provider signs, written down from its documentation with the
// standard library only. It shares nothing with package verify, whose verdicts it judges.
type Signing struct {
	Provider string
	Secret   string
	Key      []byte
	Block    string // further lines of the directive
	hash     func() hash.Hash
	Base64   bool // how the signature is written; else in hex, of either case

	Signature []string // headers that may carry it; the first is used to sign
	Stamps    []string // likewise of the time; none: the provider signs none
	StampItem string   // or the time is an item of the signature's header
	Unit      time.Duration
	Ids       []string // likewise of the signed id; none: the provider signs none

	content func(r Parsed, stamp, id string) []string // what may be signed
	Format  func(stamp, signature string) string

	contentType, body string
	extra             [][2]string // unsigned headers that the provider sends
}

func body(r Parsed, _, _ string) []string { return []string{r.Body} }

func afterEquals(prefix string) func(string, string) string {
	return func(_, signature string) string { return prefix + signature }
}

const (
	MediaJSON = "application/json"
	MediaForm = "application/x-www-form-urlencoded"
	SomeJSON  = `{"id":"evt_1","event_id":"Ev1","type":"invoice.paid","data":{"object":{"amount":1299,"note":"caf\u00e9 ☕","list":[1,2.5e3,null,true]}}}`
)

// Signings are one endpoint each, at the path of its name.
func Signings() []*Signing {
	standard := func(provider, secret string, prefixes ...string) *Signing {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			panic(err)
		}
		s := &Signing{Provider: provider, Secret: secret, Key: key, hash: sha256.New, Base64: true, Unit: time.Second,
			content:     func(r Parsed, stamp, id string) []string { return []string{id + "." + stamp + "." + r.Body} },
			Format:      afterEquals("v1,"),
			contentType: MediaJSON, body: SomeJSON}
		for _, prefix := range prefixes {
			s.Signature = append(s.Signature, prefix+"Signature")
			s.Stamps = append(s.Stamps, prefix+"Timestamp")
			s.Ids = append(s.Ids, prefix+"Id")
		}
		return s
	}
	return []*Signing{
		{Provider: "github", Secret: GitHubSecret, hash: sha256.New, Signature: []string{"X-Hub-Signature-256"},
			content: body, Format: afterEquals("sha256="), contentType: MediaJSON, body: SomeJSON,
			extra: [][2]string{{"X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"}, {"X-GitHub-Event", "push"}}},
		{Provider: "shopify", Secret: "shopify-hush", hash: sha256.New, Base64: true,
			Signature: []string{"X-Shopify-Hmac-Sha256", "Shopify-Hmac-Sha256"},
			content:   body, Format: afterEquals(""), contentType: MediaJSON, body: SomeJSON,
			extra: [][2]string{{"X-Shopify-Event-Id", "98880550-7158-44d4-b7cd-2c97c8a091b5"}, {"X-Shopify-Topic", "orders/create"}}},
		{Provider: "slack", Secret: "slack-hush", hash: sha256.New, Unit: time.Second,
			Signature: []string{"X-Slack-Signature"}, Stamps: []string{"X-Slack-Request-Timestamp"},
			content: func(r Parsed, stamp, _ string) []string { return []string{"v0:" + stamp + ":" + r.Body} },
			Format:  afterEquals("v0="), contentType: MediaJSON, body: SomeJSON},
		{Provider: "stripe", Secret: "whsec_stripe-hush", hash: sha256.New, Unit: time.Second,
			Signature: []string{"Stripe-Signature"}, StampItem: "t=",
			content:     func(r Parsed, stamp, _ string) []string { return []string{stamp + "." + r.Body} },
			Format:      func(stamp, signature string) string { return "t=" + stamp + ",v1=" + signature },
			contentType: MediaJSON, body: SomeJSON},
		standard("svix", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "Svix-", "Webhook-"),
		standard("standard-webhooks", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "Webhook-"),
		{Provider: "twilio", Secret: "twilio-hush", hash: sha1.New, Base64: true, Signature: []string{"X-Twilio-Signature"},
			content: twilioContent, Format: afterEquals(""), contentType: MediaForm,
			body:  "AccountSid=AC1&Body=Hello+caf%C3%A9&From=%2B15551234567&MessageStatus=sent",
			extra: [][2]string{{"I-Twilio-Idempotency-Token", "b0c7ec9a-1e9f-4a3e-9d7c-2f6d4a3c3a10"}}},
		{Provider: "custom", Secret: "custom-hush", hash: sha256.New, Unit: time.Millisecond,
			Signature: []string{"X-Signature"}, Stamps: []string{"X-Timestamp"}, Ids: []string{"X-Event-Id"},
			content: func(r Parsed, stamp, id string) []string { return []string{stamp + "." + id + "." + r.Body} },
			Format:  afterEquals("sha256="), contentType: MediaJSON, body: SomeJSON,
			Block: "verify hmac-sha256 {\nsignature header X-Signature\nformat \"sha256={hex}\"\ncontent \"{timestamp}.{id}.{body}\"\n" +
				"timestamp header X-Timestamp ms\nid header X-Event-Id\ntype json /type\n}"},
	}
}

// twilioContent is the URL, followed by the sorted fields of a form; or the URL
// alone, if it has the hash of the body.
func twilioContent(r Parsed, _, _ string) []string {
	target := r.RequestURI
	if _, rest, found := strings.Cut(target, "://"); found && !strings.HasPrefix(target, "/") {
		target = ""
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			target = rest[i:]
		}
	}
	var fields []string
	media, _, _ := strings.Cut(strings.Join(r.Header["Content-Type"], "\n"), ";")
	if strings.EqualFold(strings.TrimSpace(media), MediaForm) || r.Body == "" {
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

// Message is a request as the provider would make it, without a signature.
func (s *Signing) Message(host string) Message {
	m := Message{Method: "POST", Target: "/" + s.Provider, Proto: "HTTP/1.1", Body: s.body}
	m = m.With("Host", host).With("Content-Type", s.contentType)
	m.Header = append(m.Header, s.extra...)
	return m
}

// Sign returns m signed at that time.
func (s *Signing) Sign(m Message, at time.Time) Message {
	stamp, id := "", ""
	if s.Unit > 0 {
		stamp = strconv.FormatInt(at.UnixNano()/int64(s.Unit), 10)
	}
	if len(s.Stamps) > 0 {
		m = m.Set(s.Stamps[0], stamp)
	}
	if len(s.Ids) > 0 {
		if id = m.Get(s.Ids[0]); id == "" {
			id = "msg_1"
			m = m.With(s.Ids[0], id)
		}
	}
	r := Parsed{Request: &http.Request{Host: m.Get("Host"), RequestURI: m.Target, Header: http.Header{"Content-Type": {m.Get("Content-Type")}}}, Body: m.Body}
	for _, content := range s.content(r, stamp, id) {
		return m.Set(s.Signature[0], s.Format(stamp, s.Mac(content)))
	}
	return m
}

// Forge returns m with a signature that is right but for its secret.
func (s *Signing) Forge(m Message, at time.Time) Message {
	other := *s
	other.Key = []byte("some other secret")
	return other.Sign(m, at)
}

func (s *Signing) Mac(content string) string {
	key := s.Key
	if key == nil {
		key = []byte(s.Secret)
	}
	mac := hmac.New(s.hash, key)
	mac.Write([]byte(content))
	if s.Base64 {
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// Signed reports whether somebody who knows the secret signed exactly this content within the tolerance:
// whether its right signature is anywhere in the headers for it. It accepts any form, since nobody else
// can make that signature.
func (s *Signing) Signed(r Parsed) bool {
	values := s.values(r, s.Signature)
	stamps, ids := s.values(r, s.Stamps), s.values(r, s.Ids)
	if s.StampItem != "" {
		for _, value := range values {
			for item := range strings.SplitSeq(value, ",") {
				if stamp, found := strings.CutPrefix(strings.TrimSpace(item), s.StampItem); found {
					stamps = append(stamps, stamp)
				}
			}
		}
	}
	if s.Unit == 0 {
		stamps = []string{""}
	}
	if len(s.Ids) == 0 {
		ids = []string{""}
	}
	all := strings.Join(values, "\n")
	if !s.Base64 {
		all = strings.ToLower(all)
	}
	for _, stamp := range stamps {
		if !s.fresh(stamp) {
			continue
		}
		for _, id := range ids {
			if slices.ContainsFunc(s.content(r, stamp, id), func(c string) bool { return strings.Contains(all, s.Mac(c)) }) {
				return true
			}
		}
	}
	return false
}

func (s *Signing) values(r Parsed, names []string) (values []string) {
	for _, name := range names {
		values = append(values, r.Header.Values(name)...)
	}
	return values
}

func (s *Signing) fresh(stamp string) bool {
	if s.Unit == 0 {
		return true
	}
	n, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return false
	}
	at := time.Unix(n, 0)
	if s.Unit == time.Millisecond {
		at = time.UnixMilli(n)
	}
	return time.Since(at).Abs() <= verify.DefaultTolerance+time.Second
}
