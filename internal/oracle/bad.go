package oracle

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Forge sends an event whose body was changed after it was signed, and then the genuine one, which has the
// same id: the forgery must not have spoilt it.
func (p *Provider) Forge(ctx context.Context) {
	genuine := p.event(fmt.Sprintf("%s-%07d", p.Run, p.sequence.Add(1)))
	forged := *genuine
	forged.Bad, forged.ID = "forged", genuine.ID+"-forged"
	forged.Body = bytes.Replace(genuine.Body, []byte("opened"), []byte("closed"), 1)
	number, status, word := p.exchange(ctx, &forged, bytes.NewReader(forged.Body))
	p.Books.endBad(forged.ID, number, status, word, []int{http.StatusUnauthorized})
	for ctx.Err() == nil {
		if _, _, done := p.try(ctx, genuine); done {
			return
		}
		p.pause(ctx)
	}
}

// TooLarge sends a body of that many bytes, well signed, which the proxy must refuse.
func (p *Provider) TooLarge(ctx context.Context, size int) {
	e := p.event(fmt.Sprintf("%s-%07d-large", p.Run, p.sequence.Add(1)))
	e.Bad = "too large"
	e.Body = fmt.Appendf(nil, `{"id":%q,"padding":%q}`, e.ID, strings.Repeat("x", size))
	e.Scheme.sign(e, time.Now())
	number, status, word := p.exchange(ctx, e, bytes.NewReader(e.Body))
	p.Books.endBad(e.ID, number, status, word, []int{http.StatusRequestEntityTooLarge})
}

// Vanish sends the first half of an event and then nothing more: it leaves the
// connection open for so long, and then resets it.
func (p *Provider) Vanish(ctx context.Context, open time.Duration) {
	e := p.event(fmt.Sprintf("%s-%07d-half", p.Run, p.sequence.Add(1)))
	e.Bad = "cut off"
	target, err := url.Parse(p.URLs[0])
	if err != nil {
		panic(err) // the URL of a test is wrong
	}
	number := p.Books.begin(e, target.Host)
	defer p.Books.endBad(e.ID, number, 0, "", nil)
	dialer := net.Dialer{Timeout: time.Second}
	connection, err := dialer.DialContext(ctx, "tcp", target.Host)
	if err != nil {
		return
	}
	defer connection.Close()
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", e.URI, target.Host, len(e.Body))
	_ = e.Header.Write(&head)
	_, _ = fmt.Fprintf(connection, "%s\r\n%s", head.String(), e.Body[:len(e.Body)/2])
	sleep(ctx, open)
	_ = connection.(*net.TCPConn).SetLinger(0)
}
