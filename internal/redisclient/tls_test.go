package redisclient

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

// certificate makes a certificate for this machine, that vouches for itself,
// and returns the paths of it and of its key.
func certificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "redis.pem"), filepath.Join(dir, "redis.key")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der},
		key:         {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func TestCheckTLS(t *testing.T) {
	pemFile, keyFile := certificate(t)
	port := caddyproc.PortFor(t)
	start := func(clients string) {
		redistest.Start(t, append(redistest.AOF, "--tls-port", port, "--tls-auth-clients", clients,
			"--tls-cert-file", pemFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", pemFile)...)
	}
	start("no")
	url := "rediss://127.0.0.1:" + port
	accepted(t, Options{Addresses: []string{url}, CAFile: pemFile}, nil, nil)
	accepted(t, Options{Addresses: []string{url + "?skip_verify=true"}}, nil, nil)
	refused(t, Options{Addresses: []string{url}}, "not trusted", "authority")
	refused(t, Options{Addresses: []string{"rediss://localhost:" + port}, CAFile: pemFile}, "made out to")

	// Without TLS to a port that wants it, and the other way round. Nothing tells
	// these from an outage for sure.
	plain := redistest.Start(t)
	for o, word := range map[string]string{"redis://127.0.0.1:" + port: "rediss://", "rediss://" + plain.Addr(): "does it speak TLS?"} {
		_, err := check(t, Options{Addresses: []string{o}, DialTimeout: 200 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: got %v", o, err)
		}
	}

	port = caddyproc.PortFor(t)
	start("yes")
	url = "rediss://127.0.0.1:" + port
	accepted(t, Options{Addresses: []string{url}, CAFile: pemFile, CertificateFile: pemFile, KeyFile: keyFile}, nil, nil)
	if _, err := check(t, Options{Addresses: []string{url}, CAFile: pemFile}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without our certificate: %v", err)
	}
}
