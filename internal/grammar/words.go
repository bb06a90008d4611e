package grammar

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/eventtypes"
)

// Lines reads the lines of a block. Each line has a parser, which is
// called with its name as the current token; an unknown or a repeated line is
// an error, since a line that has no effect is a line that somebody relies on.
type Lines map[string]func(d *caddyfile.Dispenser) error

func (s Lines) Parse(d *caddyfile.Dispenser, repeatable ...string) error {
	seen := make(map[string]struct{})
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, ok := s[name]
		if !ok {
			return s.unknownLine(d)
		}
		if _, again := seen[name]; again && !slices.Contains(repeatable, name) {
			return d.Errf("subdirective %q is repeated", name)
		}
		seen[name] = struct{}{}
		if err := errors.Join(s.checkLine(d), CheckBrace(d)); err != nil {
			return err
		}
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// What people forget in a Caddyfile are line breaks and braces. Words of the next
// line, or of the block, then stand among the values of this one, and lists take
// them for values: a host named "name", a secret "tolerance". A word in quotes is
// always a value.

// freeWords are lines whose values are names that others have given, such as
// those of headers: what is in them may well be called as a line is.
var freeWords = map[string]int{ // from which value on a line's name is a mistake
	"option": 2, "dedupe": anyWord, "name": 1, "signature": anyWord, "timestamp": anyWord, "id": anyWord,
	"type": anyWord, "body_digest": anyWord, "content": anyWord, "key_prefix": 1, "private_key_prefix": 1,
}

const anyWord = 1 << 10

// checkLine refuses a name of another line of this block among the values of the
// line at which d stands.
func (s Lines) checkLine(d *caddyfile.Dispenser) error {
	line := d.Val()
	at, words := wordsAfter(*d)
	for i, word := range words {
		if _, isLine := s[word]; !isLine || at[i].Quoted() || i < freeWords[line] || len(words) == 1 {
			continue
		}
		if line == "forward" && word == "name" {
			continue // of its own block, rather: see unmarshalForward
		}
		return d.Errf("%s: %q begins a line of its own: put it there; if it is meant as a value here, write it in quotes", line, word)
	}
	return nil
}

// CheckOpening refuses a name of a line of the block among the values of the line
// that opens the block, from the one with that index on: braces were forgotten.
// shape is how that line is written.
func (s Lines) CheckOpening(d *caddyfile.Dispenser, shape string, from int) error {
	at, words := wordsAfter(*d)
	for i, word := range words {
		if _, isLine := s[word]; !isLine || at[i].Quoted() || i < from || len(words) == 1 {
			continue
		}
		return d.Errf("%s: %q is a line of its block, and goes into braces: `%s {`, then `%s …` on a line of its own, then `}`; if it is meant as a value here, write it in quotes",
			d.Val(), word, shape, word)
	}
	return nil
}

// wordsAfter are the values of the line at which d stands.
func wordsAfter(d caddyfile.Dispenser) (tokens []caddyfile.Token, words []string) {
	for d.NextArg() {
		tokens, words = append(tokens, d.Token()), append(words, d.Val())
	}
	return tokens, words
}

// CheckBrace refuses a brace that sticks to the word before it, since it is then
// part of the word.
func CheckBrace(d *caddyfile.Dispenser) error {
	tokens, words := wordsAfter(*d)
	for i, word := range words {
		if strings.HasSuffix(word, "{") && !tokens[i].Quoted() && i == len(words)-1 {
			return d.Errf("%s: a space is missing before the brace", d.Val())
		}
	}
	return nil
}

// Lines of the other blocks, for those who have a line in the wrong one.
var linesElsewhere = map[string]string{
	"name": "", "events": forwardBlock, "timeout": forwardBlock, "retry": forwardBlock, "dead_on": forwardBlock,
	"max_in_flight": forwardBlock, "priority": forwardBlock, "rate": forwardBlock, "breaker": forwardBlock,
	"resign": forwardBlock, "handle": forwardBlock,
	"initial": retryBlock, "multiplier": retryBlock, "max_delay": retryBlock, "max_attempts": retryBlock,
	"max_age": retryBlock, "jitter": retryBlock,
	"secret": endpointBlock, "public_key": endpointBlock, "option": endpointBlock, "tolerance": endpointBlock,
	"verify": endpointBlock, "require_https": endpointBlock, "public_url": endpointBlock, "block_ips": endpointBlock, "allow_ips": endpointBlock,
	"max_body": endpointBlock, "content_type": endpointBlock, "dedupe": endpointBlock, "dedupe_ttl": endpointBlock,
	"respond": endpointBlock, "forward": endpointBlock, "rate_limit": endpointBlock,
	"store": globalBlock, "node": globalBlock, "max_pending": globalBlock, "max_stored": globalBlock, "max_body_memory": globalBlock, "retain": globalBlock,
	"max_keys": fileBlock, "max_size": fileBlock,
	"password": redisBlock, "username": redisBlock, "prefix": redisBlock, "shards": redisBlock, "min_replicas": redisBlock,
	"cluster": redisBlock, "sentinel": redisBlock, "tls_ca": redisBlock, "tls_certificate": redisBlock,
	"signature": verifyBlock, "format": verifyBlock, "content": verifyBlock, "body_digest": verifyBlock, "key": verifyBlock,
	"key_prefix": verifyBlock, "private_key_prefix": verifyBlock, "timestamp": verifyBlock, "id": verifyBlock, "type": verifyBlock,
	"reverse_proxy": handleBlock, "rewrite": handleBlock, "header": handleBlock, "route": handleBlock, "uri": handleBlock,
}

const (
	endpointBlock = "the block of the directive, webhooks [<matcher>] <provider> { … }"
	forwardBlock  = "the block of a destination, forward <upstream>... { … }"
	retryBlock    = "the block of retry, in forward: retry { … }"
	globalBlock   = "the block of the global option at the beginning of the file, { webhooks { … } }"
	fileBlock     = "the block of the store, in the global option: store file <path> { … }"
	redisBlock    = "the block of the store, in the global option: store redis <url>... { … }"
	verifyBlock   = "the block of how provider custom signs: verify <algorithm> { … }"
	handleBlock   = "the block of handle, in forward: handle { … }"
)

// unrecognized says what a line that is none of this block's may be meant for.
func (s Lines) unrecognized(name string) string {
	lines := slices.Sorted(maps.Keys(s))
	want := "want one of: " + strings.Join(lines, ", ")
	bare := strings.ToLower(strings.TrimRight(name, ":="))
	for _, line := range lines {
		if bare == line || len(bare) > 3 && eventtypes.Distance(bare, line) <= 1 || bare == line+"s" {
			return "did you mean " + line + "? " + want
		}
	}
	if block := linesElsewhere[bare]; block != "" {
		return "it goes into " + block + "; is a brace missing, or one too many? Here " + want
	}
	return want
}

// At adds the line at which d stands to an error, if there is one.
func At(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}
