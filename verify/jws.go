package verify

import (
	"encoding/base64"
	"strings"
	"time"
)

// detachedJWS is a JSON Web Signature whose payload is the body (RFC 7515,
// appendix F): a header and a signature, with nothing between their dots. As with
// jwt, the algorithm is the scheme's.
type detachedJWS struct {
	alg string
	raw bool   // the body is signed as it is (RFC 7797), which the header must say
	ts  string // the header's member that has the time, in Unix seconds; empty: none
}

func (j *detachedJWS) verify(v *Verifier, s *scheme, in *input) (Result, *Error) {
	malformed := invalidSignature(DetailMalformedSignature, s.Signature.String()+": want a detached JWS with alg "+j.alg)
	protected, signature, ok := strings.Cut(string(in.signatures[0]), "..")
	if !ok || len(in.signatures) != 1 {
		return Result{}, malformed
	}
	header, ok := decodePart(protected)
	if !ok || child(header, "alg").Str != j.alg || !j.understands(child(header, "crit").Raw, child(header, "b64").Raw) {
		return Result{}, malformed
	}
	in.keyID = child(header, "kid").Str
	in.signatures = in.signatureSpace[:0]
	if !in.addSignature(encodedBase64URL, signature) || strings.HasSuffix(signature, "=") {
		return Result{}, malformed
	}
	var at time.Time
	if j.ts != "" {
		if at, ok = numericDate(child(header, j.ts)); !ok {
			return Result{}, invalidTimestamp(DetailMissingTimestamp, "the JWS header's "+j.ts)
		}
	}
	in.at = at
	index, err := s.match([]template{j.content(protected, in.request.Body)}, in)
	if err == nil && j.ts != "" {
		err = checkWindow(at, v.now(), v.tolerance)
	}
	if err != nil {
		return Result{}, err
	}
	return Result{SecretIndex: index, Timestamp: at}, nil
}

// doubt checks the time before the signature is checked.
func (j *detachedJWS) doubt(v *Verifier, _ *scheme, in *input) *Error {
	if j.ts == "" {
		return nil
	}
	return checkWindow(in.at, v.now(), v.tolerance)
}

// understands reports whether what the header declares critical is what we do.
func (j *detachedJWS) understands(crit, b64 string) bool {
	if j.raw {
		return b64 == "false" && strings.Join(strings.Fields(crit), "") == `["b64"]`
	}
	return crit == "" && (b64 == "" || b64 == "true")
}

func (j *detachedJWS) content(protected string, body []byte) template {
	t := literal(protected + ".")
	if j.raw {
		t.parts = append(t.parts, part{kind: partBody})
		return t
	}
	t.parts = append(t.parts, part{kind: partLiteral, text: base64.RawURLEncoding.EncodeToString(body)})
	return t
}

func (j *detachedJWS) sign(s *scheme, r *Request, at time.Time, _ func() string) error {
	in := newInput(r)
	defer in.release()
	header := members{{"alg", quote(j.alg)}}
	if j.raw {
		header = append(header, member{"b64", "false"}, member{"crit", `["b64"]`})
	}
	if j.ts != "" {
		header = append(header, member{j.ts, seconds(at)})
	}
	protected := header.encode()
	signature, err := s.signer.sign(j.content(protected, r.Body), in)
	if err != nil {
		return err
	}
	return s.Signature.set(r, protected+".."+base64.RawURLEncoding.EncodeToString(signature))
}

func (j *detachedJWS) signsTimestamp() bool   { return j.ts != "" }
func (j *detachedJWS) recognizes(*input) bool { return true }
func (j *detachedJWS) signsURL() bool         { return false }
