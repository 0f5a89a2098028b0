package dovecot

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// certify makes a CA and a certificate for the server, and returns the files of
// the certificate and its key.
func (s *Server) certify(dir string) (cert, key string) {
	s.t.Helper()
	caKey, serverKey := s.key(), s.key()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: s.Name}, DNSNames: []string{s.Name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
	}
	s.Roots = x509.NewCertPool()
	root, err := x509.ParseCertificate(s.sign(ca, ca, caKey, caKey))
	if err != nil {
		s.t.Fatal(err)
	}
	s.Roots.AddCert(root)
	raw, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.pem(dir, "cert.pem", "CERTIFICATE", s.sign(leaf, root, serverKey, caKey)), s.pem(dir, "key.pem", "PRIVATE KEY", raw)
}

func (s *Server) key() *ecdsa.PrivateKey {
	s.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

func (s *Server) sign(cert, by *x509.Certificate, key, with *ecdsa.PrivateKey) []byte {
	s.t.Helper()
	raw, err := x509.CreateCertificate(rand.Reader, cert, by, &key.PublicKey, with)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

func (s *Server) pem(dir, name, kind string, raw []byte) string {
	s.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}
