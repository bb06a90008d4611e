package verify

import (
	"net/http"
	"strings"
	"testing"
)

// labels are the Content-Types under which an attacker may repeat a webhook.
var labels = [][]string{
	nil, {""}, {"application/JSON"}, {mediaJSON + "; charset=utf-8"}, {mediaJSON + "; charset=utf-16"}, {"text/plain"}, {"application/xml"},
	{mediaForm}, {strings.ToUpper(mediaForm)}, {mediaForm + "; charset=ibm037"}, {mediaMultipart}, {mediaMultipart + "; boundary=x"},
	{"application/octet-stream"}, {"/"}, {mediaJSON, mediaForm}, {mediaForm, mediaJSON}, {mediaJSON + ", " + mediaForm},
}

// TestRelabelledVectors: no Content-Type hides a webhook's id or event type, or gives
// it others. Where single fields prove it, it may be refused.
func TestRelabelledVectors(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		genuine := x.request(t)
		id, kind := v.Identify(genuine)
		for _, label := range labels {
			r := x.request(t)
			if delete(r.Header, "Content-Type"); label != nil {
				r.Header["Content-Type"] = label
			}
			if gotID, gotKind := v.Identify(r); gotID != id || gotKind != kind {
				t.Errorf("as %q: id %q, type %q, want %q, %q", label, gotID, gotKind, id, kind)
			}
		}
	})
}

// TestTextThatLooksLikeAForm: a JSON body that is called a form is none, neither
// for the signature nor for a handshake.
func TestTextThatLooksLikeAForm(t *testing.T) {
	slack := providerVerifier(t, "slack")
	r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: "/", Header: http.Header{"Content-Type": {mediaForm}},
		Body: []byte(`{"type":"event_callback","event_id":"Ev1","event":{"type":"message","text":"&ssl_check=1&command=x&trigger_id=y&"}}`)}
	if err := slack.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	verdict(t, slack, r, "", "")
	if id, kind := slack.Identify(r); id != "Ev1" || kind != "message" {
		t.Errorf("id %q, type %q", id, kind)
	}
	if answer, is := slack.Handshake(r, false); is {
		t.Errorf("it is taken for a handshake: %+v", answer)
	}

	gitea := providerVerifier(t, "gitea")
	r.Header.Set("Content-Type", mediaJSON)
	r.Body = []byte(`{"message":"&payload=%7B%22after%22%3A%22EVIL%22%7D&"}`)
	if err := gitea.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	verdict(t, gitea, r, "", "")
	for _, label := range []string{mediaForm, "multipart/form-data; boundary=x", "application/json; charset=ibm037"} {
		r.Header.Set("Content-Type", label)
		verdict(t, gitea, r, AmbiguousRequest, DetailMislabelledBody)
	}
}
