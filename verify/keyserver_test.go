package verify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// keyServer is an HTTPS server on loopback that stands for all the hosts that
// keys are fetched from, with a certificate for each from its own authority. Its
// transport knows where it is, and trusts that authority only.
type keyServer struct {
	transport *http.Transport
	server    *httptest.Server

	mu       sync.Mutex
	answers  map[string]string // by address
	requests []string          // the addresses that were asked for
	handler  http.HandlerFunc  // instead of answers, if not nil
}

var testAuthority = sync.OnceValues(func() (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return authority, key
})

func newKeyServer(t testing.TB, answers map[string]string) *keyServer {
	t.Helper()
	s := &keyServer{answers: answers}
	var hosts []string
	for address := range answers {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, u.Hostname())
	}
	s.server = httptest.NewUnstartedServer(s)
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificateFor(t, hosts...)}}
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are what some tests want
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	roots := x509.NewCertPool()
	authority, _ := testAuthority()
	roots.AddCert(authority)
	address := s.server.Listener.Addr().String()
	s.transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		},
	}
	t.Cleanup(s.transport.CloseIdleConnections)
	return s
}

func certificateFor(t testing.TB, hosts ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority, signer := testAuthority()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: hosts, NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (s *keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	address := "https://" + r.Host + r.RequestURI
	s.requests = append(s.requests, address)
	answer, found := s.answers[address]
	handler := s.handler
	s.mu.Unlock()
	switch {
	case handler != nil:
		handler(w, r)
	case !found:
		http.NotFound(w, r)
	default:
		_, _ = w.Write([]byte(answer))
	}
}

// asked returns how often something was fetched.
func (s *keyServer) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// set changes what the server answers.
func (s *keyServer) set(address, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[address] = answer
}

func (s *keyServer) handle(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
}
