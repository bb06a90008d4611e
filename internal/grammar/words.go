package grammar

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/eventtypes"
)

// Lines are the lines that a block may have. Each name has a function that reads the rest of the
// line; the name is then the current token.
type Lines map[string]func(d *caddyfile.Dispenser) error

// Parse reads the block that d stands before. An unknown line is an error, and so is a second line
// of one name that is not among the repeatable ones: somebody would rely on a line without effect.
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

// People forget line breaks and braces. The words of the next line, or of the block, then stand
// among the values of this line, and a list takes them for values: a host named "name", a secret
// "tolerance". The checks below refuse such a word, unless it is in quotes.

// freeWords are lines whose values are names that other people have given, such as names of
// headers. Such a name may be the name of a line as well.
var freeWords = map[string]int{ // from which value on a line's name is a mistake
	"option": 2, "dedupe": anyWord, "name": 1, "signature": anyWord, "timestamp": anyWord, "id": anyWord,
	"type": anyWord, "body_digest": anyWord, "content": anyWord, "key_prefix": 1, "private_key_prefix": 1,
}

const anyWord = 1 << 10

// checkLine refuses the name of another line of this block among the values of the line that d
// stands at.
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

// CheckOpening refuses the name of a line of the block among the values of the line that opens the
// block: somebody forgot the braces. It looks at the values from index from on. shape is how the
// line is written, for the error.
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

// wordsAfter returns the values of the line that d stands at.
func wordsAfter(d caddyfile.Dispenser) (tokens []caddyfile.Token, words []string) {
	for d.NextArg() {
		tokens, words = append(tokens, d.Token()), append(words, d.Val())
	}
	return tokens, words
}

// CheckBrace refuses a brace without a space before it: Caddy takes it for a part of the word.
func CheckBrace(d *caddyfile.Dispenser) error {
	tokens, words := wordsAfter(*d)
	for i, word := range words {
		if strings.HasSuffix(word, "{") && !tokens[i].Quoted() && i == len(words)-1 {
			return d.Errf("%s: a space is missing before the brace", d.Val())
		}
	}
	return nil
}

// elsewhere maps the lines of all blocks to the block that each belongs to; "" where several blocks
// have a line of that name. It is filled while the program starts, and is only read then.
var elsewhere = make(map[string]string)

// Declare makes the lines of a block known, so that an error about a line in the wrong block can
// say where it belongs. block is how the error names the block, with the lines that open it.
// Declare is for init functions: each grammar declares its own blocks.
func Declare(block string, lines ...string) {
	for _, line := range lines {
		if other, known := elsewhere[line]; known && other != block {
			elsewhere[line] = ""
			continue
		}
		elsewhere[line] = block
	}
}

// unrecognized says what somebody may mean by a line that this block does not have.
func (s Lines) unrecognized(name string) string {
	lines := slices.Sorted(maps.Keys(s))
	want := "want one of: " + strings.Join(lines, ", ")
	bare := strings.ToLower(strings.TrimRight(name, ":="))
	for _, line := range lines {
		if bare == line || len(bare) > 3 && eventtypes.Distance(bare, line) <= 1 || bare == line+"s" {
			return "did you mean " + line + "? " + want
		}
	}
	if block := elsewhere[bare]; block != "" {
		return "it goes into " + block + "; is a brace missing, or one too many? Here " + want
	}
	return want
}

// At adds the line that d stands at to an error. It returns nil if err is nil.
func At(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}
