package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is printed for people, and published as Markdown.
type table struct {
	title string
	head  []string
	rows  [][]string
	notes []string // below it
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// text aligns the columns with spaces.
func (t *table) text() string {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", t.title)
	write := func(row []string) {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i == 0:
				b.WriteString("  " + cell + pad)
			default:
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteString("\n")
	}
	write(t.head)
	for _, row := range t.rows {
		write(row)
	}
	for _, note := range t.notes {
		b.WriteString("  " + note + "\n")
	}
	return b.String()
}

// markdown of GitHub's kind.
func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", t.title)
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = "--:"
	}
	rule[0] = "---"
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	for _, note := range t.notes {
		b.WriteString("\n" + note + "\n")
	}
	return b.String()
}
