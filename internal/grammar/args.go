// Package grammar reads Caddyfiles and placeholders for all our modules: the lines of a block
// (Lines), their arguments (OneArg, Duration, Size …), and values that refer to the environment or
// to a file (Expand). What it refuses it refuses with the line, the setting and the remedy, and
// without anything that may be a secret.
//
// Each module's grammar stands beside the module, in a file caddyfile.go.
package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// The functions below read the arguments of the line that d stands at: its name is the current
// token. Where a line is not as they want it, their error names it, and into is of no use.

// OneArg reads one argument, which must not be empty.
func OneArg(d *caddyfile.Dispenser, into *string) error {
	name := d.Val()
	args := d.RemainingArgs()
	if len(args) != 1 || args[0] == "" {
		return d.Errf("%s wants one value, and has %s", name, howMany(args))
	}
	*into = args[0]
	return nil
}

// howMany says how many arguments there are, where one is wanted.
func howMany(args []string) string {
	if len(args) == 1 {
		return "an empty one; a {$VARIABLE} that was not set when the Caddyfile was read leaves nothing"
	}
	if len(args) == 0 {
		return "none; a {$VARIABLE} that was not set when the Caddyfile was read leaves nothing"
	}
	return fmt.Sprint(len(args))
}

// SomeArgs reads one or more arguments, none of them empty, and appends them to into: a line may be
// repeated to give more.
func SomeArgs(d *caddyfile.Dispenser, into *[]string) error {
	name := d.Val()
	args := d.RemainingArgs()
	if len(args) == 0 || slices.Contains(args, "") {
		return d.Errf("%s wants one or more values, none of them empty; a {$VARIABLE} that was not set when the Caddyfile was read leaves nothing", name)
	}
	*into = append(*into, args...)
	return nil
}

// OneOf reads one of the choices.
func OneOf(d *caddyfile.Dispenser, into *string, choices ...string) error {
	name := d.Val()
	if err := OneArg(d, into); err != nil || !slices.Contains(choices, *into) {
		return d.Errf("%s wants one of: %s", name, strings.Join(choices, ", "))
	}
	return nil
}

// OnOff reads "on" or "off". into is nil as long as there is no such line.
func OnOff(d *caddyfile.Dispenser, into **bool) error {
	var word string
	if err := OneOf(d, &word, "on", "off"); err != nil {
		return err
	}
	on := word == "on"
	*into = &on
	return nil
}

// Duration reads a duration above zero. Days are allowed: 3d.
func Duration(d *caddyfile.Dispenser, into *caddy.Duration) error {
	name, text := d.Val(), ""
	if err := OneArg(d, &text); err != nil {
		return err
	}
	value, err := caddy.ParseDuration(text)
	if err != nil || value <= 0 {
		return d.Errf("%s is %s: want a duration above zero, such as 30s, 5m or 3d", name, ShownValue(text))
	}
	*into = caddy.Duration(value)
	return nil
}

// MostBody is the most that max_body may be, in bytes: bodies are held in memory.
const MostBody = 1 << 30

// Size reads a number of bytes, such as 512KiB, from 1 to most.
func Size(d *caddyfile.Dispenser, into *int64, most int64) error {
	name, text := d.Val(), ""
	if err := OneArg(d, &text); err != nil {
		return err
	}
	value, err := humanize.ParseBytes(text)
	if err != nil || value == 0 || value > uint64(most) {
		return d.Errf("%s is %s: want a size from 1B to %s, such as 512KiB", name, ShownValue(text), strings.NewReplacer(".0 ", "", " ", "").Replace(humanize.IBytes(uint64(most))))
	}
	*into = int64(value)
	return nil
}

// NoArgs refuses arguments: the line says it all.
func NoArgs(d *caddyfile.Dispenser) error {
	name := d.Val()
	if d.NextArg() {
		return d.Errf("%s takes no value", name)
	}
	return nil
}

// Number reads a whole number of at least least.
func Number(d *caddyfile.Dispenser, into *int, least int) error {
	name, text := d.Val(), ""
	if err := OneArg(d, &text); err != nil {
		return err
	}
	return NumberFrom(d, name, text, into, least)
}

// NumberFrom is Number for a line with further arguments: text is the one to read, name is the
// setting for the error.
func NumberFrom(d *caddyfile.Dispenser, name, text string, into *int, least int) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < least {
		return d.Errf("%s is %s: want a whole number of at least %d", name, ShownValue(text), least)
	}
	*into = value
	return nil
}

// Fraction reads a share from 0 to 1, written as 0.1 or as 10%.
func Fraction(d *caddyfile.Dispenser, into *float64) error {
	name, text := d.Val(), ""
	if err := OneArg(d, &text); err != nil {
		return err
	}
	digits, percent := strings.CutSuffix(text, "%")
	value, err := strconv.ParseFloat(digits, 64)
	if percent {
		value /= 100
	}
	if err != nil || !(value >= 0 && value <= 1) {
		return d.Errf("%s is %s: want a share from 0%% to 100%%", name, ShownValue(text))
	}
	*into = value
	return nil
}

// Statuses reads numbers that are HTTP statuses, and appends them. It does not look at their range.
func Statuses(d *caddyfile.Dispenser, into *[]int) error {
	var texts []string
	if err := SomeArgs(d, &texts); err != nil {
		return err
	}
	for _, text := range texts {
		code, err := strconv.Atoi(text)
		if err != nil {
			return d.Errf("%s is not an HTTP status", ShownValue(text))
		}
		*into = append(*into, code)
	}
	return nil
}

// Factor reads a number from 1 to 100 by which something is multiplied.
func Factor(d *caddyfile.Dispenser, into *float64) error {
	name, text := d.Val(), ""
	if err := OneArg(d, &text); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || !(value >= 1 && value <= 100) {
		return d.Errf("%s is %s: want a number from 1 to 100", name, ShownValue(text))
	}
	*into = value
	return nil
}
