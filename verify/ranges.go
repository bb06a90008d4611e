package verify

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Ranges is what a provider publishes about the addresses that its webhooks
// come from.
type Ranges struct {
	Snapshot []netip.Prefix // as published on Date; never empty
	Date     string         // YYYY-MM-DD
	Source   string         // the page that tells people about them
	List     List           // the same for machines; the zero List if there is none
}

// List is a machine-readable list of ranges: where it is and how it is read.
type List struct {
	URL    string
	Format string // ListLines or ListJSON

	// Pointer is an RFC 6901 pointer to what holds the ranges in a ListJSON: an
	// array of strings, or an object or array of such arrays. Empty: the whole document.
	Pointer string
}

// The formats of lists.
const (
	ListLines = "lines" // one range a line; empty lines and those that begin with # say nothing
	ListJSON  = "json"
)

// Bounds of a list that can be true. A wider range than these, or more of
// them, would rather be a mistake, and would let in strangers.
const (
	maxRanges    = 10_000
	minBitsIPv4  = 8
	minBitsIPv6  = 16
	bitsOfMapped = 96 // of an IPv6 prefix that holds all IPv4-mapped addresses
)

// What is known of the providers. The snapshots are what an endpoint has until
// the list was fetched, and if it cannot be; the list has the last word.
//
// Providers without an entry publish none that all of their webhooks come from:
//   - Slack guarantees no ranges: https://github.com/slackapi/bolt-python/issues/910 (2023-06-08)
//   - Shopify has no fixed ranges: https://community.shopify.dev/t/shopify-iprange-for-webhooks/28007
//   - Twilio has fixed addresses only for customers of some editions, and not for all products:
//     https://www.twilio.com/docs/iam/twilio-editions/twilio-static-proxy
//   - Standard Webhooks is a way to sign that many providers use.
var (
	// The list at api.github.com/meta as copied on 2026-10-07, and the announcement of
	// 2026-10-29 that it has three new ranges, which agree:
	// https://github.blog/changelog/2026-10-29-webhook-ip-ranges-added-to-the-meta-api
	// It is for github.com; a GitHub Enterprise Server sends from its own addresses.
	githubRanges = &Ranges{
		Snapshot: prefixes(
			"192.30.252.0/22", "185.199.108.0/22", "140.82.112.0/20", "143.55.64.0/20",
			"9.234.98.160/28", "9.234.98.176/28", "9.234.106.48/28",
			"2a0a:a440::/29", "2606:50c0::/32",
		),
		Date:   "2026-10-29",
		Source: "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-githubs-ip-addresses",
		List:   List{URL: "https://api.github.com/meta", Format: ListJSON, Pointer: "/hooks"},
	}

	// The page as read on 2026-10-04; copies of the list of 2026-04-24 and 2026-05-15 agree.
	// Stripe announces changes seven days ahead.
	stripeRanges = &Ranges{
		Snapshot: prefixes(
			"3.18.12.63", "3.69.109.8", "3.120.168.93", "3.130.192.231",
			"13.235.14.237", "13.235.122.149", "18.211.135.69",
			"35.154.171.200", "35.157.207.129", "52.15.183.38",
			"54.88.130.119", "54.88.130.237",
			"54.187.174.169", "54.187.205.235", "54.187.216.72",
		),
		Date:   "2026-10-04",
		Source: "https://docs.stripe.com/ips#webhook-notifications",
		List:   List{URL: "https://stripe.com/files/ips/ips_webhooks.txt", Format: ListLines},
	}

	// The list, and its source in https://github.com/svix/svix-docs as of 2026-07-02, which
	// agree. India's addresses were removed on 2026-04-03. All regions, since a receiver does
	// not know the sender's. Svix does not guarantee them for all of its customers' plans, and
	// a self-hosted Svix sends from its own addresses.
	svixRanges = &Ranges{
		Snapshot: prefixes(
			"44.228.126.217", "50.112.21.217", "52.24.126.164", "54.148.139.208", "2600:1f24:64:8000::/56", // us
			"54.164.207.221", "54.90.7.123", "2600:1f28:37:4000::/56", // us-east
			"52.215.16.239", "54.216.8.72", "63.33.109.123", "2a05:d028:17:8000::/56", // eu
			"13.239.204.236", "54.66.246.217", "54.252.65.96", "2406:da2c:13:4000::/56", // au
			"52.60.44.49", "3.98.68.230", "3.96.105.27", "2600:1f21:1c:4000::/56", // ca
		),
		Date:   "2026-07-02",
		Source: "https://docs.svix.com/receiving/source-ips",
		List:   List{URL: "https://docs.svix.com/webhook-ips.json", Format: ListJSON},
	}
)

// Parse reads a list, sorted and without repetitions. It is an error if
// anything in it is not an address or a CIDR, and if the whole cannot be true:
// no ranges, more than 10 000, or one wider than an IPv4 /8 or an IPv6 /16.
func (l List) Parse(document []byte) ([]netip.Prefix, error) {
	var ranges []netip.Prefix
	add := func(text string) error {
		if len(ranges) == maxRanges {
			return fmt.Errorf("more than %d ranges", maxRanges)
		}
		prefix, err := ParsePrefix(text)
		if err != nil {
			return err
		}
		if wide(prefix) {
			return fmt.Errorf("range %s is too wide to be true", prefix)
		}
		ranges = append(ranges, prefix)
		return nil
	}
	var err error
	if l.Format == ListJSON {
		err = l.eachInJSON(document, add)
	} else {
		err = eachLine(document, add)
	}
	if err != nil {
		return nil, err
	}
	if len(ranges) == 0 {
		return nil, errors.New("no ranges")
	}
	slices.SortFunc(ranges, netip.Prefix.Compare)
	return slices.Compact(ranges), nil
}

func wide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < minBitsIPv4
	}
	return p.Bits() < minBitsIPv6
}

func eachLine(document []byte, do func(string) error) error {
	for line := range strings.Lines(string(document)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := do(line); err != nil {
			return err
		}
	}
	return nil
}

func (l List) eachInJSON(document []byte, do func(string) error) error {
	node := parseJSON(document)
	if !node.Exists() {
		return errors.New("not JSON")
	}
	for pointer := l.Pointer; pointer != ""; {
		var token string
		token, pointer = nextToken(pointer)
		node = child(node, token)
	}
	if !node.Exists() {
		return fmt.Errorf("nothing at %s", l.Pointer)
	}
	return eachString(node, do)
}

// eachString calls do with all strings in node, and fails if there is anything else.
func eachString(node gjson.Result, do func(string) error) (err error) {
	switch {
	case node.Type == gjson.String:
		return do(node.Str)
	case !node.IsArray() && !node.IsObject():
		return fmt.Errorf("a %s where ranges should be", strings.ToLower(node.Type.String()))
	}
	node.ForEach(func(_, value gjson.Result) bool {
		err = eachString(value, do)
		return err == nil
	})
	return err
}

// ParsePrefix reads an address or a CIDR. Bits beyond the prefix are dropped,
// and IPv4-mapped IPv6 becomes IPv4, as addresses of clients should before
// they are looked up. An address with a zone is an error.
func ParsePrefix(text string) (netip.Prefix, error) {
	var prefix netip.Prefix
	if strings.Contains(text, "/") {
		var err error
		if prefix, err = netip.ParsePrefix(text); err != nil {
			return prefix, notARange(text)
		}
	} else {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return prefix, notARange(text)
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= bitsOfMapped {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-bitsOfMapped)
	}
	return prefix.Masked(), nil
}

// notARange quotes a bounded piece of a text that may be anything, such as a page of HTML.
func notARange(text string) error {
	const enough = 64
	return fmt.Errorf("%.*q is neither an address nor a CIDR", enough, text)
}

func prefixes(texts ...string) []netip.Prefix {
	ranges := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefix, err := ParsePrefix(text)
		if err != nil {
			panic(err)
		}
		ranges[i] = prefix
	}
	return ranges
}
