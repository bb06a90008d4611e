package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// chart is drawn as SVG. Places along its x axis have names, and equal distances.
type chart struct {
	title, xTitle string
	places        []string
	series        []series
	format        func(number) string // of the values
	logarithmic   bool                // the y axis
	bars          bool                // else lines
	fine          bool                // so many places that points are not marked
}

// series is what belongs to one system.
type series struct {
	name   string
	points []spread // one for each place
}

// Sizes in pixels. The drawing scales with the page.
const (
	chartWidth, chartHeight = 760, 400
	left, right, top, below = 80, 170, 40, 60
	plotWidth               = chartWidth - left - right
	plotHeight              = chartHeight - top - below
)

// colours that people who see few of them can tell apart (Okabe and Ito).
var colours = map[string]string{
	respond.Name: "#666666", proxy.Name: "#bbbbbb",
	fileHeld.Name: "#56b4e9", file.Name: "#0072b2",
	redisHeld.Name: "#e69f00", inRedis.Name: "#d55e00",
}

func colour(name string) string {
	if c, ok := colours[name]; ok {
		return c
	}
	return "#009e73"
}

// others are for series that belong to no system.
var others = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}

// colourOf is the colour of a series. Several that are no systems differ.
func (c *chart) colourOf(i int) string {
	if _, ok := colours[c.series[i].name]; ok || !c.fine {
		return colour(c.series[i].name)
	}
	return others[i%len(others)]
}

// svg draws the chart.
func (c *chart) svg() string {
	return grid([]*chart{c}, 1)
}

// grid draws charts side by side, so many in a row.
func grid(charts []*chart, columns int) string {
	rows := (len(charts) + columns - 1) / columns
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", columns*chartWidth, rows*chartHeight)
	for i, c := range charts {
		if len(charts) == 1 {
			c.draw(&b)
			break
		}
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%columns*chartWidth, i/columns*chartHeight)
		c.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c *chart) draw(b *strings.Builder) {
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", chartWidth, chartHeight)
	c.text(b, left, 22, "start", `font-size="15"`, c.title)
	axis := c.axis()
	for _, tick := range axis.ticks {
		y := axis.y(tick)
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`+"\n", left, y, left+plotWidth, y)
		c.text(b, left-6, y+4, "end", "", c.format(number(tick)))
	}
	for i, place := range c.places {
		if place == "" {
			continue
		}
		c.text(b, c.x(i), top+plotHeight+18, "middle", "", place)
	}
	c.text(b, left+plotWidth/2, chartHeight-12, "middle", "", c.xTitle)
	for i, s := range c.series {
		fill := c.colourOf(i)
		if c.bars {
			c.drawBars(b, axis, i, s, fill)
		} else {
			c.drawLine(b, axis, i, s, fill)
		}
		y := float64(top + 10 + 20*i)
		fmt.Fprintf(b, `<rect x="%d" y="%.1f" width="12" height="12" fill="%s"/>`+"\n", left+plotWidth+14, y-10, fill)
		c.text(b, left+plotWidth+32, y, "start", "", s.name)
	}
}

func (c *chart) text(b *strings.Builder, x, y float64, anchor, more, text string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#222" %s>%s</text>`+"\n", x, y, anchor, more, html.EscapeString(text))
}

// x is the middle of a place.
func (c *chart) x(place int) float64 {
	return left + (float64(place)+.5)*plotWidth/float64(len(c.places))
}

// shift keeps the marks of several series at one place apart.
func (c *chart) shift(i int, width float64) float64 {
	return (float64(i) - float64(len(c.series)-1)/2) * width
}

func (c *chart) drawLine(b *strings.Builder, axis axis, i int, s series, stroke string) {
	var path []string
	for place, p := range s.points {
		if p.Rounds == 0 {
			continue
		}
		x := c.x(place) + c.shift(i, 3)
		path = append(path, fmt.Sprintf("%.1f,%.1f", x, axis.y(float64(p.Median))))
		if c.fine {
			continue
		}
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x, axis.y(float64(p.Median)), stroke)
		whisker(b, axis, x, p, stroke)
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.Join(path, " "), stroke)
}

func (c *chart) drawBars(b *strings.Builder, axis axis, i int, s series, fill string) {
	width := .8 * plotWidth / float64(len(c.places)*len(c.series))
	for place, p := range s.points {
		if p.Rounds == 0 {
			continue
		}
		x, y := c.x(place)+c.shift(i, width), axis.y(float64(p.Median))
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x-width/2, y, width*.95, top+plotHeight-y, fill)
		whisker(b, axis, x, p, "#000")
	}
}

// whisker reaches from the lowest round to the highest.
func whisker(b *strings.Builder, axis axis, x float64, p spread, stroke string) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x, axis.y(float64(p.Min)), x, axis.y(float64(p.Max)), stroke)
}

// axis is the scale of the values.
type axis struct {
	low, high   float64
	logarithmic bool
	ticks       []float64
}

// y is the height of a value on the drawing.
func (a axis) y(v float64) float64 {
	low, high := a.low, a.high
	if a.logarithmic {
		low, high, v = math.Log10(low), math.Log10(high), math.Log10(math.Max(v, low))
	}
	return top + plotHeight*(1-(v-low)/(high-low))
}

// axis has room for all values: from zero, or from a power of ten.
func (c *chart) axis() axis {
	low, high := math.Inf(1), 0.0
	for _, s := range c.series {
		for _, p := range s.points {
			if p.Rounds > 0 {
				low, high = math.Min(low, float64(p.Min)), math.Max(high, float64(p.Max))
			}
		}
	}
	if high <= 0 {
		return axis{low: 0, high: 1}
	}
	if c.logarithmic {
		a := axis{low: math.Pow10(int(math.Floor(math.Log10(math.Max(low, high/1e6))))), high: math.Pow10(int(math.Ceil(math.Log10(high)))), logarithmic: true}
		if a.high <= a.low {
			a.high = 10 * a.low
		}
		for tick := a.low; tick <= a.high*1.001; tick *= 10 {
			a.ticks = append(a.ticks, tick)
		}
		return a
	}
	unit := math.Pow10(int(math.Floor(math.Log10(high))))
	if high/unit < 3 {
		unit /= 2
	}
	a := axis{high: unit * math.Ceil(high/unit)}
	for tick := 0.0; tick <= a.high*1.001; tick += unit {
		a.ticks = append(a.ticks, tick)
	}
	return a
}
