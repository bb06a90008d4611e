package cli

import (
	"fmt"
	"strings"
)

// table lines up cells in columns that fit the screen.
type table struct {
	columns []column
	rows    [][]cell
}

// column is one column of a table.
type column struct {
	title string
	right bool // aligned right, for numbers
	least int  // how narrow it may become on a small screen, in cells; 0: it is never cut
	below bool // for the last column: if the table is too wide, its cells are wrapped onto lines below their rows
}

// cell is one entry. Its text may come from anybody, so add cleans it.
type cell struct {
	text  string
	style style
}

// columnGap is how many spaces are between columns.
const columnGap = 2

// add appends a row; values are cells, or anything that fmt prints.
func (t *table) add(values ...any) {
	row := make([]cell, len(values))
	for i, value := range values {
		c, ok := value.(cell)
		if !ok {
			c.text = fmt.Sprint(value)
		}
		c.text = clean(c.text)
		row[i] = c
	}
	t.rows = append(t.rows, row)
}

// print writes the table, with a head if its columns have titles.
func (t *table) print(s screen) {
	beside, widths := *t, t.fit(s.width)
	last := len(t.columns) - 1
	if c := t.columns[last]; c.below && widths[last] < t.natural(last) {
		beside.columns = t.columns[:last]
		widths = beside.fit(s.width)
	}
	var b strings.Builder
	if t.titled() {
		head := make([]cell, len(t.columns))
		for i, c := range t.columns {
			head[i] = cell{c.title, bold}
		}
		beside.printRow(&b, s, head[:len(beside.columns)], widths)
	}
	for _, row := range t.rows {
		beside.printRow(&b, s, row[:len(beside.columns)], widths)
		if below := row[len(beside.columns):]; len(below) > 0 && below[0].text != "" {
			b.WriteString(wrap(below[0].text, s.width, "    "))
		}
	}
	fmt.Fprint(s, b.String())
}

// natural is the width that a column needs if nothing in it is cut, in cells.
func (t *table) natural(column int) int {
	width := cellsOf(t.columns[column].title)
	for _, row := range t.rows {
		width = max(width, cellsOf(row[column].text))
	}
	return width
}

func (t *table) titled() bool {
	for _, c := range t.columns {
		if c.title != "" {
			return true
		}
	}
	return false
}

// fit gives every column the width of its widest cell, and then takes cells from
// the widest of those that may shrink, until the row fits or nothing gives way.
func (t *table) fit(limit int) []int {
	widths := make([]int, len(t.columns))
	total := columnGap * (len(t.columns) - 1)
	for i := range t.columns {
		widths[i] = t.natural(i)
		total += widths[i]
	}
	for ; limit > 0 && total > limit; total-- {
		widest := -1
		for i, c := range t.columns {
			if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func (t *table) printRow(b *strings.Builder, s screen, row []cell, widths []int) {
	pad := 0 // spaces due before the next text: none at the end of a line
	for i, c := range row {
		text := c.text
		if t.columns[i].least > 0 {
			text = cut(text, widths[i])
		}
		missing := max(0, widths[i]-cellsOf(text))
		if t.columns[i].right {
			pad, missing = pad+missing, 0
		}
		if text != "" {
			b.WriteString(strings.Repeat(" ", pad))
			b.WriteString(s.paint(c.style, text))
			pad = 0
		}
		pad += missing + columnGap
	}
	b.WriteByte('\n')
}
