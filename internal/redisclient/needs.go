package redisclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Needs are what our user must be allowed.
type Needs struct {
	// Commands are examples of the commands that are used, also within scripts, with
	// the right number of words: "ZADD <key> 0 member", "PUBLISH <channel> text".
	// <key> and <channel> stand for each of those below. None of them is run.
	Commands []string
	// Keys and Channels are the patterns that all keys and channels match, as an
	// ACL has them: "wh:*". A star stands for anything, and there are no other special characters.
	Keys, Channels []string
}

// Places of a key and of a channel in Needs.Commands.
const (
	keyPlace     = "<key>"
	channelPlace = "<channel>"
)

// probe reports what our user may not do.
//
// Commands are queued in a transaction that is then discarded: Redis checks
// permissions when it queues. (ACL DRYRUN needs Redis 7 and a permission that
// few users have.)
func (n Needs) probe(ctx context.Context, node *redis.Client, c *checker) error {
	if len(n.Commands) == 0 {
		return nil
	}
	// On a connection of its own: one on which DISCARD were refused would have
	// to be closed, not given back to the pool.
	options := *node.Options()
	options.PoolSize, options.PipelinePoolSize, options.MaxConcurrentDials = 1, -1, 1
	options.MinIdleConns, options.MaxRetries, options.OnConnect = 0, -1, nil
	client := redis.NewClient(&options)
	defer func() { _ = client.Close() }()
	conn := client.Conn()
	defer func() { _ = conn.Close() }()

	attempts := n.attempts()
	switch err := conn.Do(ctx, "multi").Err(); {
	case missing(err):
		c.note(&c.notes, node, "MULTI is not permitted to our user: whether it may do all that is needed shows only when it is done")
		attempts = slices.DeleteFunc(attempts, func(a attempt) bool { return !a.harmless() })
	case err != nil:
		return err
	}
	pipe := conn.Pipeline()
	for i := range attempts {
		attempts[i].answer = pipe.Do(ctx, attempts[i].words...)
	}
	discarded := pipe.Do(ctx, "discard")
	var answer redis.Error
	if _, err := pipe.Exec(ctx); err != nil && !errors.As(err, &answer) {
		return err
	}
	denied := denial{needs: n}
	for _, a := range attempts {
		if err := denied.judge(a); err != nil {
			return err
		}
	}
	who := "<our user>"
	if discarded.Err() == nil { // else this would be queued, too
		if name, err := conn.Do(ctx, "acl", "whoami").Text(); err == nil {
			who = name
		}
	}
	return denied.fault(who)
}

// attempt is a command that is tried.
type attempt struct {
	words        []any
	key, channel string // the pattern that it is about, if any
	answer       *redis.Cmd
}

// harmless reports whether the command may be run: it asks, or names a script
// that does not exist.
func (a attempt) harmless() bool {
	name := strings.ToLower(fmt.Sprint(a.words[0]))
	return name == "time" || name == "info" || name == "evalsha" && strings.Trim(fmt.Sprint(a.words[1]), "0") == ""
}

// attempts are the commands, with each of the patterns.
func (n Needs) attempts() []attempt {
	var all []attempt
	for _, command := range n.Commands {
		switch {
		case strings.Contains(command, keyPlace):
			for _, pattern := range n.Keys {
				all = append(all, attempt{words: words(command, keyPlace, pattern), key: pattern})
			}
		case strings.Contains(command, channelPlace):
			for _, pattern := range n.Channels {
				all = append(all, attempt{words: words(command, channelPlace, pattern), channel: pattern})
			}
		default:
			all = append(all, attempt{words: words(command, keyPlace, "")})
		}
	}
	return all
}

// words are the command's, with an example of the pattern in its place.
func words(command, place, pattern string) []any {
	example := strings.ReplaceAll(pattern, "*", "probe")
	var all []any
	for word := range strings.FieldsSeq(command) {
		all = append(all, strings.ReplaceAll(word, place, example))
	}
	return all
}

// denial is what was denied.
type denial struct {
	needs                    Needs
	commands, keys, channels []string // rules of an ACL
}

// judge takes note of the answer to a command. Any answer but NOPERM comes
// after the check of permissions, and is as good as QUEUED.
func (d *denial) judge(a attempt) error {
	err := a.answer.Err()
	switch {
	case isText(err, "ERR unknown command"), isText(err, "ERR unknown subcommand"), isText(err, "ERR Unknown subcommand"):
		return fault(fmt.Sprintf("it does not know the command %v: it is too old, or the command is disabled there", a.words[0]))
	case isText(err, "ERR wrong number of arguments"):
		return fmt.Errorf("the probe of the command %v: %w", a.words, err)
	case !missing(err):
		return nil
	}
	switch text := err.Error(); {
	case strings.Contains(text, " run the "):
		d.add(&d.commands, "+"+rule(a.words))
	case strings.Contains(text, "channel"):
		d.add(&d.channels, "&"+a.channel)
	default:
		d.add(&d.keys, "~"+a.key)
	}
	return nil
}

func (d *denial) add(to *[]string, rule string) {
	if !slices.Contains(*to, rule) {
		*to = append(*to, rule)
	}
}

// containers are the commands of which an ACL names the subcommand.
var containers = []string{"script", "client", "cluster", "config", "function", "acl", "pubsub"}

// rule is what an ACL calls a command.
func rule(words []any) string {
	name := strings.ToLower(fmt.Sprint(words[0]))
	if slices.Contains(containers, name) && len(words) > 1 {
		name += "|" + strings.ToLower(fmt.Sprint(words[1]))
	}
	return name
}

// fault says what was denied, and the rule that allows it. It is nil if nothing was.
func (d *denial) fault(user string) error {
	var what []string
	for _, part := range []struct {
		name  string
		rules []string
	}{{"run", d.commands}, {"use the keys", d.keys}, {"use the channels", d.channels}} {
		if len(part.rules) > 0 {
			var names []string
			for _, rule := range part.rules {
				names = append(names, rule[1:])
			}
			what = append(what, part.name+" "+strings.Join(names, ", "))
		}
	}
	if len(what) == 0 {
		return nil
	}
	rules := slices.Concat(d.commands, d.keys, d.channels)
	// Those who lack one thing often lack the next: a command that is denied says nothing about its keys.
	if len(d.commands) > 0 {
		for _, key := range d.needs.Keys {
			d.add(&rules, "~"+key)
		}
		for _, channel := range d.needs.Channels {
			d.add(&rules, "&"+channel)
		}
	}
	return fault(fmt.Sprintf("our user may not %s; run ACL SETUSER %s %s, and set it where the server's users are configured",
		strings.Join(what, ", nor "), user, strings.Join(rules, " ")))
}
