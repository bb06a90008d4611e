package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// absent stands in tables for what was not measured.
const absent = "n/a"

// rateText writes something per second: 12,345.
func rateText(n number) string {
	if !n.known() {
		return absent
	}
	return countText(int(n + .5))
}

// countText groups digits by thousands.
func countText(n int) string {
	digits := strconv.Itoa(n)
	var groups []string
	for len(digits) > 3 && digits[len(digits)-4] != '-' {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, groups...), ",")
}

// timeText writes seconds with three digits: 1.23ms.
func timeText(seconds number) string {
	if !seconds.known() {
		return absent
	}
	d := time.Duration(float64(seconds) * float64(time.Second))
	for _, unit := range []time.Duration{10 * time.Second, time.Second, 100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond, 100 * time.Microsecond, 10 * time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.Round(100 * time.Nanosecond).String()
}

// sizeText writes bytes: 1.5 KiB.
func sizeText(n number) string {
	if !n.known() {
		return absent
	}
	for _, unit := range []struct {
		size number
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size {
			return trimZeros(fmt.Sprintf("%.1f", n/unit.size)) + " " + unit.name
		}
	}
	return trimZeros(fmt.Sprintf("%.0f", n)) + " B"
}

// shareText writes a part of one: 12%.
func shareText(n number) string {
	if !n.known() {
		return absent
	}
	return fmt.Sprintf("%.0f%%", 100*n)
}

// ratioText writes a quotient: 0.47.
func ratioText(n number) string {
	if !n.known() {
		return absent
	}
	return fmt.Sprintf("%.2f", n)
}

func trimZeros(text string) string { return strings.TrimSuffix(text, ".0") }

// text writes the median, and how far the rounds were apart.
func (s spread) text(format func(number) string) string {
	switch {
	case s.Rounds == 0:
		return absent
	case s.Rounds == 1 || format(s.Min) == format(s.Max):
		return format(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", format(s.Median), format(s.Min), format(s.Max))
}

// fileName makes a part of a file's name.
func fileName(text string) string {
	return strings.NewReplacer(", ", "-", " ", "-", "_", "-").Replace(text)
}
