package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

const (
	// recently is the time within which an endpoint that only refuses is in trouble.
	recently = time.Hour
	// rotationTime is how long two secrets may be in use side by side, or one unused.
	rotationTime = 24 * time.Hour
	// wideTolerance is more than any provider's documentation recommends.
	wideTolerance = 15 * time.Minute
	// shortSecret is, in bytes, the length below which a secret can be guessed.
	shortSecret = 16
)

// checkEndpoint looks at what came to an endpoint, and at its settings.
func (d *diagnosis) checkEndpoint(e *Endpoint) {
	t := e.Traffic
	d.checkTraffic(e)
	if !t.Changed.At.IsZero() {
		d.add(api.LevelError, "answer", e.Name, fmt.Sprintf("a handler around it makes successes of its refusals, the last %s: it answered %d, and %d went out. The provider takes such events for stored, and they are stored nowhere",
			d.ago(t.Changed.At), t.Changed.Code, t.Changed.Status),
			"Take the endpoint out of what changes the status of answers, or have that leave the endpoint's path alone.")
	}
	for _, doubt := range e.Doubts {
		d.add(api.LevelWarn, "events", e.Name, doubt,
			"Correct the glob; if the type is newer than this program's list of types, nothing needs to be done.")
	}
	d.checkSecrets(e)
	d.checkRotation(e)
	d.checkProxy(e)
	if len(e.Twins) > 0 {
		d.add(api.LevelWarn, "destinations", e.Name, strings.Join(e.Twins, " and ")+" differ only by their addresses, and each gets every event", TwinsAdvice)
	}
	d.checkHTTPS(e)
	if e.Tolerance > wideTolerance && e.SignedTime {
		d.add(api.LevelWarn, "tolerance", e.Name, fmt.Sprintf("tolerance is %s: a webhook that somebody got hold of stays valid that long", e.Tolerance),
			"5m is what providers recommend; set this machine's clock by NTP instead of widening it.")
	}
	if !e.SignedTime && e.ToleranceSet {
		d.add(api.LevelWarn, "tolerance", e.Name, "tolerance has no effect: "+e.Row.Title+" signs no time that could be compared", "Remove the line. Captured webhooks are told by `dedupe`, for `dedupe_ttl`.")
	}
	if e.DedupeOff {
		d.add(api.LevelWarn, "dedupe", e.Name, "dedupe is off: what the provider sends twice is delivered twice, and a captured webhook can be sent again while its timestamp is valid",
			"Remove `dedupe off`, or name what identifies an event: `dedupe header X-Id`, `dedupe json /id`.")
	}
}

// checkHTTPS looks for webhooks that others can read on their way.
func (d *diagnosis) checkHTTPS(e *Endpoint) {
	if !e.PlainPublic {
		return
	}
	const risk = ", and it listens for plain HTTP beyond this machine and its network: bodies and signatures can be read on the way"
	switch {
	case e.TakesHTTP:
		d.add(api.LevelWarn, "https", e.Name, "require_https is off"+risk,
			"Remove `require_https off`; behind a proxy that ends TLS, name the proxy in the server's trusted_proxies.")
	case e.PublicHTTPS:
		d.add(api.LevelWarn, "https", e.Name, "public_url says that webhooks come by HTTPS"+risk+" if they come without that proxy",
			"Let only the proxy in: `bind` an address that only it reaches, or `allow_ips` its addresses.")
	}
}

// checkTraffic looks at what came in, and whether it was taken.
func (d *diagnosis) checkTraffic(e *Endpoint) {
	t := e.Traffic
	level := api.LevelError
	if t.Refusal == string(verify.MissingSignature) {
		level = api.LevelWarn // anybody who knows the URL can cause it
	}
	what, refusal := trouble(t)
	fix := refusalFix(e, t.Refusal, t.Reason) + lostFix(e.Row, t.Refusal)
	switch {
	case t.LastAccepted.IsZero() && t.Refused == 0 && t.Ignored > 0:
		d.add(api.LevelWarn, "traffic", e.Name, fmt.Sprintf("everything that came was ignored: %s, the last %s, of type %s, and no destination wants it: %s",
			wording.Plural(t.Ignored, "webhook"), d.ago(t.LastIgnored), t.IgnoredType, e.Wishes),
			"Compare `events` with that type: a type has to match as a whole, letter case included, and only * is special. What was ignored is not stored; have the provider send it again.")
	case t.LastAccepted.IsZero() && t.Refused == 0:
		d.add(api.LevelWarn, "traffic", e.Name, fmt.Sprintf("no webhook has come in, in the %s that it has been there", wording.Span(d.Now.Sub(t.Since))),
			tryFix(e))
	case t.LastAccepted.IsZero():
		d.add(level, "traffic", e.Name, fmt.Sprintf("none was accepted: %s %s, the last %s: %s", wording.Plural(t.Refused, "webhook"), what, d.ago(t.LastRefused), refusal), fix)
	case t.Refused > 0 && d.Now.Sub(t.LastAccepted) > recently && d.Now.Sub(t.LastRefused) <= recently:
		d.add(level, "traffic", e.Name, fmt.Sprintf("none was accepted since %s; %s %s since then, the last %s: %s",
			d.ago(t.LastAccepted), wording.Plural(t.Refused, "webhook"), what, d.ago(t.LastRefused), refusal), fix)
	default:
		message := "the last webhook was accepted " + d.ago(t.LastAccepted)
		if t.Ignored > 0 {
			message += fmt.Sprintf("; %d ignored since then, the last of type %s", t.Ignored, t.IgnoredType)
		}
		if t.Refused > 0 {
			message += fmt.Sprintf("; %d %s since then, the last %s: %s", t.Refused, what, d.ago(t.LastRefused), refusal)
		}
		d.add(api.LevelOK, "traffic", e.Name, message, "")
	}
}

// trouble describes the refusals since the latest webhook that was taken, and the latest of them. A
// failure of the next handler (guard mode) is no refusal: such webhooks were genuine.
func trouble(t traffic.Snapshot) (what, last string) {
	switch {
	case t.Refusal == intake.OutcomeFailed && t.Reason == intake.ReasonBrokenOff:
		return "failed", "the next handler broke off without an answer"
	case t.Refusal == intake.OutcomeFailed:
		return "failed", "the next handler answered " + strings.TrimPrefix(t.Reason, "status_")
	case t.Reason != "":
		return "refused", t.Refusal + " (" + t.Reason + ")"
	}
	return "refused", t.Refusal
}

// tryFix says how to send a first webhook. No command can send one for a scheme that the config describes.
func tryFix(e *Endpoint) string {
	if e.Custom {
		return "Enter its URL at the sender, and have that send one."
	}
	return fmt.Sprintf("Enter its URL at %s; try it with `caddy webhooks send %s <url> --secret <secret>`.", e.Row.Title, e.Provider)
}

// refusalFix says what to do about webhooks that are refused with this word, for this reason.
func refusalFix(e *Endpoint, word, reason string) string {
	switch word {
	case intake.OutcomeFailed:
		return failureFix(reason)
	case intake.OutcomeLoop:
		return "The endpoint's own deliveries come back to it: give `forward` the application's address, not one that leads to this Caddy's site again."
	case intake.OutcomeInProgress:
		return "Repeats of webhooks came while the first was still at work in the next handler. See why that takes so long; with `forward` the provider need not wait."
	case string(verify.InvalidSignature):
		if e.Custom {
			return "Compare the secret, and what the `verify` block says is signed, with what the sender documents; the body is signed byte for byte."
		}
		return fmt.Sprintf("Compare the secret with the one at %s. A captured webhook tells more: `caddy webhooks verify %s --secret <secret> --body <file> --header <header>`.", e.Row.Title, e.Provider)
	case string(verify.MissingSignature):
		if e.Custom {
			return "If these came from the sender, see that the `verify` block names the header in which its signature is. Else somebody is trying the URL, and nothing needs to be done."
		}
		return fmt.Sprintf("If these came from %s, have it sign: set the secret there. Else somebody is trying the URL, and nothing needs to be done.", e.Row.Title)
	case "timestamp_expired", "invalid_timestamp":
		return "See that this machine's clock is right and set by NTP, and that nothing in front of Caddy holds requests back."
	case string(verify.AmbiguousRequest):
		return "If these came from the sender, see that nothing in front of Caddy changes headers or body. Else somebody tries to slip in values that are not signed, and nothing needs to be done."
	case intake.OutcomeHTTPSRequired:
		return "Give the provider the https URL. Behind a proxy that ends TLS, name the proxy in the server's trusted_proxies; if it does not send `X-Forwarded-Proto: https`, say what the provider calls: `public_url https://…`."
	case intake.OutcomeIPBlocked, intake.OutcomeIPNotAllowed:
		return "See the client_ip in Caddy's log. If it is a proxy of yours, name it in the server's trusted_proxies; if it is the provider's, add it to allow_ips."
	case intake.OutcomeRateLimited:
		return "Raise the endpoint's rate_limit, or the global one: the provider sends more than that."
	case intake.OutcomeTooLarge:
		return "Raise max_body; Caddy's own `request_body` may bound it, too."
	case intake.OutcomeMediaType:
		return "Set content_type to what the provider sends."
	case intake.OutcomeUnavailable:
		if reason == intake.ReasonNoHandler {
			return "Nothing behind this endpoint does the work: add `forward <upstream>` to its block, or a handler after it in the route, such as reverse_proxy."
		}
		if reason == intake.ReasonOffered {
			return "A secret was offered that could not be kept: remove the files of those you do not need; Caddy's log names the directory and the reason."
		}
		return "See the checks of the store, the queue and the memory. With a reason that begins with key_, the provider's key could not be fetched: Caddy's log names the host that it has to reach."
	}
	return "Caddy's log has a line for each, with the reason."
}

// lostFix says what a refusal costs if the provider does not send again webhooks that it should have sent
// again.
func lostFix(p *verify.Provider, word string) string {
	switch word {
	case intake.OutcomeUnavailable, intake.OutcomeRateLimited, intake.OutcomeTooLarge, intake.OutcomeTimeout, intake.OutcomeFailed:
		if p.NeverAgain {
			return " " + p.Title + " does not send again by itself what was not accepted: have it send those anew, or fetch from it what they were about."
		}
	}
	return ""
}

// failureFix says what to do about webhooks that the next handler failed at.
func failureFix(reason string) string {
	switch status := strings.TrimPrefix(reason, "status_"); {
	case status == "508":
		return "The webhooks are genuine, but what stands behind the endpoint leads back to it: give reverse_proxy the application's address, not one of this Caddy's site."
	case reason == intake.ReasonBrokenOff:
		return "The webhooks are genuine. See that the application stays up while it answers, and that no `abort` stands behind the endpoint."
	case status == "502" || status == "504":
		return "The webhooks are genuine. See that the application behind the endpoint runs and that its address is right; Caddy's log has the error."
	case status == "404" || status == "405":
		return "The webhooks are genuine, but the application does not know that path or method: see what stands behind the endpoint in its route, and whether the path is rewritten on the way."
	case status == "401" || status == "403":
		return "The webhooks are genuine, but what stands behind the endpoint refuses them: see its own check of the signature, its login, and its protection against forged forms (CSRF)."
	}
	return "The webhooks are genuine: the application's own log says why it did not take them. The provider sends them again; with `forward` they would be kept and retried here."
}

// checkProxy looks for rules about addresses that see only a proxy's address.
func (d *diagnosis) checkProxy(e *Endpoint) {
	t, rules := e.Traffic, e.AddressRules
	if len(rules) == 0 || t.Proxied.IsZero() || d.Now.Sub(t.Proxied) > rotationTime {
		return
	}
	if t.ProxiedUnix {
		d.add(api.LevelError, "proxy", e.Name, fmt.Sprintf("webhooks come through a proxy by a Unix socket, which the server does not trust (the last %s), so to %s the addresses of all senders are unknown",
			d.ago(t.Proxied), strings.Join(rules, " and ")),
			"Trust the socket in the global option servers: `trusted_proxies_unix`, and `trusted_proxies_strict`.")
		return
	}
	d.add(api.LevelError, "proxy", e.Name, fmt.Sprintf("webhooks come through a proxy that the server does not trust (the last %s), so to %s all senders look like one: the proxy",
		d.ago(t.Proxied), strings.Join(rules, " and ")),
		"Name it in the global option servers: `trusted_proxies static private_ranges` (or its own addresses), and `trusted_proxies_strict`.")
}
