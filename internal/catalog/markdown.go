package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Markdown writes docs/providers.md: a table to look over, then what each
// provider needs.
func Markdown(providers []*verify.Provider) string {
	all := make([]Description, len(providers))
	for i, p := range providers {
		all[i] = Describe(p)
	}
	slices.SortStableFunc(all, func(a, b Description) int {
		return cmp.Or(strings.Compare(a.Category, b.Category), strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)))
	})
	var b strings.Builder
	fmt.Fprintf(&b, intro, len(all), countEvidence(providers))
	writeTables(&b, all)
	writeDetails(&b, all)
	return b.String()
}

const intro = `# Providers

<!-- Made from the table in package verify: go test ./internal/catalog -update -->

%d providers, and any other with provider ` + "`custom`" + `. The same on the command line, with a configuration to start from:
` + "`caddy webhooks providers`, `caddy webhooks providers <name>`" + `.

- **time**: the time is signed, so that a captured webhook cannot be sent again later; *renewed* where late attempts get a
  fresh signature that the application's own check accepts. Where it cannot be renewed (the time is inside the body, or the provider signs with
  a private key), an application that checks the time itself refuses retries: let the proxy do the checking.
- **told apart by**: what makes two webhooks two events. An id that the signature does not cover counts together with what is signed.
  *signed time*, *content*: what is signed, with its time or without, and the event's type. *nothing*: the provider may send the same for different events, so that each
  webhook is taken, repetitions too. ` + "`dedupe`" + ` sets something else.
- **answered**: the status for an accepted webhook, which the provider counts as success. *once*: a webhook that is refused, or not answered in time, is not sent again.
- **handshake**: requests by which the provider tries out the endpoint, and which the proxy answers.
- **checked**: what vouches for the row. %s.

`

func countEvidence(providers []*verify.Provider) string {
	counts := make(map[verify.Evidence]int)
	for _, p := range providers {
		counts[p.Evidence]++
	}
	return fmt.Sprintf("*sdk*: the provider's own library signed the test webhooks or accepts them (%d); *docs*: they are printed in its documentation (%d); "+
		"*hand*: they were made from the words of its documentation or code, by another tool than ours (%d)",
		counts[verify.FromSDK], counts[verify.FromDocs], counts[verify.ByHand])
}

func writeTables(b *strings.Builder, all []Description) {
	category := ""
	for _, d := range all {
		if d.Category != category {
			category = d.Category
			fmt.Fprintf(b, "\n## %s\n\n| provider | `webhooks …` | signed with | time | told apart by | answered | handshake | checked |\n|---|---|---|---|---|---|---|---|\n", category)
		}
		fmt.Fprintf(b, "| [%s](#%s) | `%s` | %s | %s | %s | %s | %s | %s |\n", d.Title, d.Name, d.Name, cell(shortSignature(d)), timeCell(d),
			cell(apartCell(d)), answeredCell(d), yes(len(d.Handshakes) > 0), shortEvidence[d.Evidence])
	}
}

// shortSignature names the algorithms, each once.
func shortSignature(d Description) string {
	var names []string
	for _, text := range d.Signature {
		name, _, _ := strings.Cut(text, " of ")
		name, _, _ = strings.Cut(name, ", in ")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func timeCell(d Description) string {
	switch {
	case d.Renewal == string(verify.RenewalDone):
		return "signed, renewed"
	case d.SignsTime:
		return "signed"
	}
	return ""
}

var shortEvidence = map[string]string{
	evidence[verify.FromSDK]: "sdk", evidence[verify.FromDocs]: "docs", evidence[verify.ByHand]: "hand",
}

// apartCell is the first of what tells events apart.
func apartCell(d Description) string {
	short, _, _ := strings.Cut(d.Apart, ", else")
	short, _, _ = strings.Cut(short, ": ")
	return strings.TrimSuffix(short, " and content")
}

func answeredCell(d Description) string {
	if d.NeverAgain {
		return fmt.Sprintf("%d, once", d.Answered)
	}
	return strconv.Itoa(d.Answered)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}

// cell makes text fit to stand between the bars of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func writeDetails(b *strings.Builder, all []Description) {
	b.WriteString("\n# Setting up\n")
	slices.SortFunc(all, func(a, b Description) int { return strings.Compare(a.Name, b.Name) })
	for _, d := range all {
		fmt.Fprintf(b, "\n## %s\n\n%s ([documentation](%s)). %s\n\n", d.Name, d.Title, d.Docs, d.Setup)
		for _, fact := range d.Facts() {
			fmt.Fprintf(b, "- %s: %s\n", fact.Name, fact.Text)
		}
		fmt.Fprintf(b, "\n```caddyfile\n%s```\n", d.Caddyfile)
	}
}

// Fact is one of the things to know about a provider, in Markdown.
type Fact struct{ Name, Text string }

// Facts are what is to be said of a provider besides how it is set up.
func (d Description) Facts() []Fact {
	var facts []Fact
	add := func(name, text string) {
		if text != "" {
			facts = append(facts, Fact{name, text})
		}
	}
	code := func(words []string) string {
		if len(words) == 0 {
			return ""
		}
		return "`" + strings.Join(words, "`, else `") + "`"
	}
	add("signed", strings.Join(d.Signature, "; or "))
	if d.SignsTime {
		add("fresh signature", d.Renewal)
	}
	if d.FetchesKeys {
		add("keys", "fetched from the provider and remembered; `public_key` sets them without")
	}
	for _, o := range d.Options {
		text := o.Doc
		if o.Required {
			text += " Required."
		}
		add("`option "+o.Name+"`", text)
	}
	add("event id", code(d.EventID))
	add("told apart by", d.Apart)
	add("event type", code(d.EventType))
	for _, h := range d.Handshakes {
		add("handshake", h)
	}
	add("waits for an answer", d.Deadline)
	add("success", d.Success)
	if d.NeverAgain {
		add("sends once", "what is refused does not come again")
	}
	add("tries again", d.Retries)
	if d.MaxBody > 0 {
		add("largest body", caddyfileSize(d.MaxBody))
	}
	if d.PublishesIP {
		add("addresses", "published: `allow_ips provider`")
	}
	add("note", d.Notes)
	return facts
}
