package verify

import (
	"fmt"
	"slices"
)

// checkContents refuses contents that prove nothing, or that cannot be signed.
func (c *scheme) checkContents() error {
	if c.special != nil || c.canonical != nil || c.algorithm.kind == kindCredential {
		return nil
	}
	if c.BodyDigest.inBody() {
		return fmt.Errorf("body_digest %s: a body cannot have the digest of itself: say which header or query parameter has it", c.BodyDigest)
	}
	for _, t := range c.contents {
		if err := c.checkPossible(t); err != nil {
			return err
		}
		if !c.BodyDigest.IsZero() && !c.signs(t, c.BodyDigest) {
			return fmt.Errorf("body_digest: content %q does not have it, so it protects from nothing: put {%s.%s} into the content or remove body_digest",
				t.text, c.BodyDigest.From, c.BodyDigest.Name)
		}
	}
	return nil
}

// checkTells refuses contents that are the same for several webhooks. A few providers sign such
// contents, and their rows say so; no new scheme should.
func (c *scheme) checkTells() error {
	if c.algorithm.kind == kindCredential {
		return nil
	}
	for _, t := range c.contents {
		if !slices.ContainsFunc(t.parts, c.tells) {
			return fmt.Errorf("content %q has nothing of what a webhook says, so one signature is good for any: "+
				"put {body}, a digest such as {body_sha256_hex}, {url}, or {json.<pointer>}, {form.<name>} or {query.<name>} into it", t.text)
		}
	}
	return nil
}

// tells reports whether p differs where what a webhook says differs. Constants, the
// method, the time and headers, which nothing ties to the body, do not.
func (c *scheme) tells(p part) bool {
	switch p.kind {
	case partBody, partPlainBody, partBodyDigest, partFormSorted:
		return true
	case partSource, partID:
		source := c.sourceOf(p)
		return source == c.BodyDigest || source.From != FromHeader && source != c.Timestamp.Source
	}
	return slices.Contains(withQuery, p.kind)
}

// sourceOf is where p is read, if it is read in one place.
func (c *scheme) sourceOf(p part) Source {
	switch p.kind {
	case partID:
		return c.ID
	case partTimestamp:
		return c.Timestamp.Source
	}
	return p.source
}

// signs reports whether the value at source is in the content.
func (c *scheme) signs(t template, source Source) bool {
	return t.covers(source) || slices.ContainsFunc(t.parts, func(p part) bool { return c.sourceOf(p) == source })
}

// checkPossible refuses content that has its own signature in it, or that is of no body.
func (c *scheme) checkPossible(t template) error {
	inside := c.Signature.inBody()
	whole := func(p part) bool {
		return p.kind == partBody || p.kind == partPlainBody || p.kind == partBodyDigest || p.kind == partFormSorted
	}
	var json, form string
	note := func(s Source) {
		switch s.From {
		case FromJSON:
			json = s.String()
		case FromForm, FromFormJSON:
			form = s.String()
		}
	}
	note(c.Signature)
	for _, p := range t.parts {
		source := c.sourceOf(p)
		if source == c.Signature || inside && (whole(p) || source.From == FromForm && c.Signature.From == FromFormJSON && source.Name == c.Signature.field()) {
			return fmt.Errorf("content %q has the signature in it (%s), so none can be right: name the parts that are signed, as in {json.<pointer>}",
				t.text, c.Signature)
		}
		note(source)
	}
	if inside && !c.BodyDigest.IsZero() {
		return fmt.Errorf("body_digest: the body has the signature in it (%s), so none can be right: remove one of them", c.Signature)
	}
	if json != "" && form != "" {
		return fmt.Errorf("content %q: %s and %s: a body is JSON or a form, never both", t.text, json, form)
	}
	return nil
}
