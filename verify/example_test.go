package verify_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// A webhook of GitHub, with the secret and the signature of GitHub's documentation.
func Example() {
	provider, ok := verify.Lookup("github")
	if !ok {
		panic("no such provider")
	}
	verifier, err := provider.NewVerifier(verify.Options{Secrets: []string{"It's a Secret to Everybody"}})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()

	request := &verify.Request{
		Method: http.MethodPost, Scheme: "https", Host: "hooks.example.com", URI: "/github",
		Header: http.Header{
			"X-Github-Delivery":   {"72d3162e-cc78-11e3-81ab-4c9367dc0958"},
			"X-Github-Event":      {"push"},
			"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		},
		Body: []byte("Hello, World!"),
	}
	if _, err := verifier.Verify(request); err != nil {
		panic(err)
	}
	id, eventType := verifier.Identify(request)
	fmt.Println(id, eventType)

	request.Body = []byte("Hello, Mallory!")
	_, err = verifier.Verify(request)
	var refused *verify.Error
	fmt.Println(errors.As(err, &refused), refused.Reason)
	// Output:
	// 72d3162e-cc78-11e3-81ab-4c9367dc0958 push
	// true invalid_signature
}

// A provider that is not in the table is described by its scheme.
func ExampleCustom() {
	provider, err := verify.Custom(verify.Scheme{
		Algorithm: "hmac-sha256",
		Content:   "{body}",
		Signature: verify.Source{From: verify.FromHeader, Name: "X-Acme-Signature"},
		Format:    "{hex}",
	})
	if err != nil {
		panic(err)
	}
	verifier, err := provider.NewVerifier(verify.Options{Secrets: []string{"a secret of sixteen bytes or more"}})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()
	request := &verify.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(`{"order":7}`)}
	fmt.Println(verifier.Verify(request))
	// Output: {0 0001-01-01 00:00:00 +0000 UTC } missing_signature: no_signature (header X-Acme-Signature)
}

// All steps that read a body share what was found in it, if the request has a Document.
func ExampleDocument() {
	request := &verify.Request{
		Method: http.MethodPost, Header: http.Header{}, Body: []byte(`{"id":"evt_1","amount":1200}`),
		Document: new(verify.Document),
	}
	for _, pointer := range []string{"/id", "/amount", "/currency"} {
		source := verify.Source{From: verify.FromJSON, Name: pointer}
		value, ok := source.Extract(request) // the first one parses the body
		fmt.Printf("%s: %q, %t\n", source, value, ok)
	}
	// Output:
	// json /id: "evt_1", true
	// json /amount: "1200", true
	// json /currency: "", false
}
