package verify

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A signature is made over the parts of a content, one behind the other. If the end of one part
// can pass for the beginning of the next, one signature is good for several requests: "a" and
// "b.c" with a dot between are signed like "a.b" and "c". The place where two parts meet is a
// joint. Each joint must be guarded, so that the signed text can be taken apart in one way only:
// by the form of a part, by text between the parts that they do not contain, or by how a body begins.

// jointRule is how a joint is guarded when a webhook comes.
type jointRule int

const (
	ruleBefore  jointRule = iota // the value does not contain the literal that follows it
	ruleApart                    // the same of the value behind the literal, too
	ruleOpening                  // the body is empty, or begins as no value does
	ruleClosing                  // the body is empty, or ends as no value does
	ruleColon                    // the value has no colon: the RFC 3339 time behind it has
	ruleBehind                   // the value does not contain the literal in front of it
	ruleMethod                   // the method is one of those that HTTP knows
	rulePattern                  // the value has the form that the row says
	ruleBody                     // the body, wherever it stands, is empty or begins as no value does
	ruleForm                     // the URL has nothing of the form behind it, as far as that can be told
	ruleNames                    // the fields of a form are called as fields are, and nothing of a value is in a name
)

// joint is one place where parts meet, or one form that a part must have.
type joint struct {
	rule    jointRule
	value   int            // the part
	near    int            // the next part that is neither of a fixed length nor literal: a body, or the other value
	literal string         // what stands between
	fixed   [2]int         // parts of a fixed length between value and literal: from, to
	pattern *regexp.Regexp // rulePattern, ruleNames
	only    bool           // ruleNames: there is one field, and always
}

// partClass is what is known of the text of a part.
type partClass int

const (
	classConstant partClass = iota // the same in all webhooks
	classFixed                     // no right value begins or ends with another one
	classSized                     // classFixed, and all are of the same length
	classValue                     // text that could be any
	classOpaque                    // the body, or all fields of a form
)

func (c *scheme) classOf(t template, i int) partClass {
	p := t.parts[i]
	switch p.kind {
	case partLiteral, partSecret:
		return classConstant
	case partBody, partPlainBody:
		return classOpaque
	case partFormSorted:
		if t.uses(partBody, partPlainBody) {
			return classConstant // made from the body, which is there too
		}
		return classOpaque
	case partBodyDigest:
		if p.text == "body_crc32" {
			return classFixed // digits, and as many as the body makes them
		}
		return classSized
	case partMethod:
		return classFixed
	}
	if c.isTime(p) {
		if c.Timestamp.Unit == UnitRFC3339 {
			return classFixed
		}
		return classSized
	}
	if c.formOf(p) != nil {
		return classFixed
	}
	return classValue
}

// isTime reports whether p is the signed time, which is read strictly.
func (c *scheme) isTime(p part) bool {
	return p.kind == partTimestamp || p.kind == partSource && c.signsTimestamp && p.source == c.Timestamp.Source
}

// formOf is the form that the row says p has; nil: none.
func (c *scheme) formOf(p part) *regexp.Regexp {
	if p.kind != partID && p.kind != partSource {
		return nil
	}
	return c.forms[c.sourceOf(p)]
}

// checkJoints notes how the joints of the contents are guarded, and which are not.
func (c *scheme) checkJoints() error {
	for i := range c.contents {
		t := &c.contents[i]
		if t.uses(partCanonical) || c.special != nil {
			continue
		}
		if err := c.guardJoints(t); err != nil && c.unguarded == nil {
			c.unguarded = err
		}
		for k, p := range t.parts {
			c.strictTime = c.strictTime || c.isTime(p) && (touchesDigit(t.parts, k-1) || touchesDigit(t.parts, k+1))
		}
	}
	c.checkContentsApart()
	return nil
}

// touchesDigit reports whether digits could stand where part i meets a time.
func touchesDigit(parts []part, i int) bool {
	if i < 0 || i >= len(parts) {
		return false
	}
	return parts[i].kind != partLiteral || strings.ContainsAny(parts[i].text, "0123456789")
}

// fieldNames are names of fields as providers choose them: what is moved from a value into a name
// mostly has other characters.
var fieldNames = regexp.MustCompile(`\A[\pL\pN_.:\[\]-]+\z`)

// guardJoints walks from both ends to the one part that may be any text. The error names two
// parts of which it is not certain where one ends and the other begins.
func (c *scheme) guardJoints(t *template) error {
	for i, p := range t.parts {
		if p.kind == partFormSorted {
			names := fieldNames
			if c.only != "" {
				names = regexp.MustCompile(`\A` + regexp.QuoteMeta(c.only) + `\z`)
			}
			t.joints = append(t.joints, joint{rule: ruleNames, value: i, pattern: names, only: c.only != ""})
		}
	}
	open := 0
	for open < len(t.parts) && c.guardFromLeft(t, open) {
		open++
	}
	for i := len(t.parts) - 1; i > open; i-- {
		if !c.guardFromRight(t, open, i) {
			if c.classOf(*t, open) == classValue && c.classOf(*t, open+1) != classConstant {
				return touching(t.text, t.parts[open], t.parts[open+1])
			}
			before := i - 1
			for before > open && c.classOf(*t, before) == classConstant {
				before--
			}
			return touching(t.text, t.parts[before], t.parts[i])
		}
	}
	return nil
}

func touching(content string, a, b part) error {
	return fmt.Errorf("content %q: nothing tells where %s ends and %s begins, so one signature would be good for several requests: "+
		"if the provider puts text between them write it; if it does not, its signature does not protect them, and cannot be used", content, a, b)
}

// guardFromLeft guards the end of part i; false: only from the other side, if at all.
func (c *scheme) guardFromLeft(t *template, i int) bool {
	switch c.classOf(*t, i) {
	case classOpaque:
		return false
	case classValue:
	default:
		c.guardForm(t, i)
		return true
	}
	if !slices.ContainsFunc(t.parts[i+1:], func(p part) bool { return p.kind != partLiteral && !c.isTime(p) }) {
		return false // all that follows is told by its form
	}
	next := i + 1
	for next < len(t.parts) && c.classOf(*t, next) == classSized {
		next++
	}
	if next == len(t.parts) {
		return false // nothing follows
	}
	j := joint{value: i, near: next, fixed: [2]int{i + 1, next}}
	switch p := t.parts[next]; {
	case p.kind == partSecret:
		return true // nobody knows the text that ends it
	case p.kind == partLiteral:
		for ; j.near < len(t.parts) && t.parts[j.near].kind == partLiteral; j.near++ {
			j.literal += t.parts[j.near].text
		}
		j.rule = ruleBefore
		if j.near < len(t.parts) && c.classOf(*t, j.near) == classValue && c.sourceOf(t.parts[j.near]) != c.Type {
			j.rule = ruleApart
		}
	case p.kind == partBody || p.kind == partPlainBody:
		j.rule = ruleOpening
	case c.isTime(p) && next == i+1:
		j.rule = ruleColon
	case p.kind == partFormSorted && c.known && t.parts[i].isURL() && next == i+1:
		j.rule = ruleForm
		t.joints = append(t.joints, j)
		return true
	default:
		return false
	}
	t.joints = append(t.joints, j)
	return true
}

// guardFromRight guards the beginning of part i, which stands behind the open one.
func (c *scheme) guardFromRight(t *template, open, i int) bool {
	switch c.classOf(*t, i) {
	case classOpaque:
		return false
	case classValue:
	default:
		c.guardForm(t, i)
		return true
	}
	before := i - 1
	for before > open && c.classOf(*t, before) == classSized {
		before--
	}
	j := joint{value: i, near: before, fixed: [2]int{before + 1, i}}
	switch p := t.parts[before]; {
	case p.kind == partSecret:
		return true
	case p.kind == partLiteral:
		for ; j.near >= 0 && t.parts[j.near].kind == partLiteral; j.near-- {
			j.literal = t.parts[j.near].text + j.literal
		}
		j.rule = ruleBehind
	case p.kind == partBody || p.kind == partPlainBody:
		j.rule = ruleClosing
	default:
		return false
	}
	t.joints = append(t.joints, j)
	return true
}

// guardForm is for parts that have a form of their own, which is checked.
func (c *scheme) guardForm(t *template, i int) {
	p := t.parts[i]
	if p.kind == partMethod {
		t.joints = append(t.joints, joint{rule: ruleMethod, value: i})
	}
	if pattern := c.formOf(p); pattern != nil && !c.isTime(p) {
		t.joints = append(t.joints, joint{rule: rulePattern, value: i, pattern: pattern})
	}
}

// FormField is the one field that the provider's forms have, where {form_sorted} can have no other;
// empty: any.
func (s *Scheme) FormField() string { return s.only }

// checkContentsApart is for contents of which any may have been signed: where one has the body and
// another one has a value at the same place, that value must not pass for the beginning of a body.
func (c *scheme) checkContentsApart() {
	for a := range c.contents {
		for b := range c.contents {
			x, y := c.contents[a].parts, c.contents[b].parts
			i := 0
			for i < len(x) && i < len(y) && x[i] == y[i] {
				i++
			}
			if i == len(x) || i >= len(y) || x[i].kind != partBody && x[i].kind != partPlainBody || y[i].kind == partLiteral {
				continue
			}
			c.contents[a].joints = append(c.contents[a].joints, joint{rule: ruleBody, value: i})
		}
	}
	if c.opens {
		for a, t := range c.contents {
			i := slices.IndexFunc(t.parts, func(p part) bool { return p.kind == partBody || p.kind == partPlainBody })
			c.contents[a].joints = append(c.contents[a].joints, joint{rule: ruleBody, value: i})
		}
	}
}

// urlParts are parts of the URL, which has few characters.
var urlParts = []partKind{partURL, partURLWithPort, partURLWithoutPort, partURLWithoutQuery, partPath, partPathQuery}

func (p part) isURL() bool { return slices.Contains(urlParts, p.kind) }

// String is how the configuration spells the part.
func (p part) String() string {
	for name, kind := range variables {
		if kind == p.kind {
			return "{" + name + "}"
		}
	}
	switch p.kind {
	case partLiteral:
		return fmt.Sprintf("%q", p.text)
	case partBodyDigest:
		return "{" + p.text + "}"
	}
	return "{" + p.source.From + "." + p.source.Name + "}"
}
