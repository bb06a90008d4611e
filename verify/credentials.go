package verify

import (
	"net/http"
	"slices"
)

// Credentials returns where webhooks of the endpoint carry a secret itself, rather
// than something that was made with it: the tokens and passwords of schemes that sign
// nothing, and what a handshake hands over or repeats. Whoever reads the value at one of
// them can send webhooks of his own. A pointer may have the token "*", which stands for each
// element of a list. The slice is the caller's.
func (v *Verifier) Credentials() []Source {
	sources := slices.Clone(v.credentials)
	for i := range v.handshakes {
		h := &v.handshakes[i]
		for _, s := range []Source{h.Token, h.Secret} {
			sources = appendSource(sources, s)
		}
	}
	return sources
}

// Bearer reports whether the endpoint's webhooks prove themselves by a secret that is sent
// as it is.
func (v *Verifier) Bearer() bool { return len(v.credentials) > 0 }

// Challenges returns the headers and parameters in which handshakes carry the value that the
// endpoint must repeat. Only the provider that waits for the value can use it. The slice is the
// caller's.
func (v *Verifier) Challenges() (sources []Source) {
	for i := range v.handshakes {
		if s := v.handshakes[i].Echo; s.From == FromHeader || s.From == FromQuery {
			sources = appendSource(sources, s)
		}
		for _, p := range v.handshakes[i].sign.parts {
			if s := p.source; p.kind == partSource && (s.From == FromHeader || s.From == FromQuery) {
				sources = appendSource(sources, s)
			}
		}
	}
	return sources
}

// Proofs returns where else the schemes look in a header or in the query: signatures,
// times and what else is signed there. With the body they let a reader send the webhook
// again. The slice is the caller's.
func (v *Verifier) Proofs() (sources []Source) {
	for _, name := range v.headers {
		sources = append(sources, Source{FromHeader, name})
	}
	for _, name := range v.parameters {
		sources = append(sources, Source{FromQuery, name})
	}
	return sources
}

// credentials are the places of the secrets that the schemes send as they are.
func credentials(schemes []*scheme) (sources []Source) {
	for _, s := range schemes {
		if s.algorithm.kind != kindCredential {
			continue
		}
		if batch, ok := s.special.(*items); ok {
			sources = appendSource(sources, Source{FromJSON, batch.list + "/*" + batch.signature})
			continue
		}
		sources = appendSource(sources, s.Signature)
	}
	return sources
}

func appendSource(sources []Source, s Source) []Source {
	if s.From == FromHeader {
		s.Name = http.CanonicalHeaderKey(s.Name)
	}
	if s.IsZero() || s.From == fromBody || slices.Contains(sources, s) {
		return sources
	}
	return append(sources, s)
}

// Headers returns the canonical names of the headers that belong to the
// provider's schemes: signature, timestamp, and whatever else is signed. The
// slice is the caller's.
func (v *Verifier) Headers() []string { return slices.Clone(v.headers) }

// Parameters is the same for parameters of the URL's query.
func (v *Verifier) Parameters() []string { return slices.Clone(v.parameters) }

// names lists the headers and query parameters that the schemes read, each once.
func names(schemes []*scheme) (headers, parameters []string) {
	for _, s := range schemes {
		for _, source := range s.looksAt() {
			switch name := http.CanonicalHeaderKey(source.Name); {
			case source.From == FromHeader && !slices.Contains(headers, name):
				headers = append(headers, name)
			case source.From == FromQuery && !slices.Contains(parameters, source.Name):
				parameters = append(parameters, source.Name)
			}
		}
	}
	return headers, parameters
}

// SecretPlaces are the places of what nobody is shown of the endpoint's events: secrets that
// are sent as they are, and what proves a webhook.
func (v *Verifier) SecretPlaces() []Source {
	return slices.Concat(v.Credentials(), v.Proofs())
}

// LoggedPlaces are those of what must not be logged of the endpoint's requests: secrets that are
// sent as they are, and what handshakes are answered with. Signatures are no secrets, and
// stay as Caddy logs them.
func (v *Verifier) LoggedPlaces() []Source {
	return slices.Concat(v.Credentials(), v.Challenges())
}
