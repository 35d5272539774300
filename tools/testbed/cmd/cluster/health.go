package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// prober asks components whether they are well.
type prober struct {
	s     *state
	etcd  *http.Client // with the client certificate that etcd wants
	plain *http.Client
}

func newProber(s *state) (*prober, error) {
	ca, err := os.ReadFile(s.pki("ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	cert, err := tls.LoadX509KeyPair(s.pki("etcd-client.crt"), s.pki("etcd-client.key"))
	if err != nil {
		return nil, err
	}
	client := func(certificates ...tls.Certificate) *http.Client {
		return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				RootCAs: pool, Certificates: certificates, MinVersion: tls.VersionTLS12,
			},
		}}
	}
	return &prober{s, client(cert), client()}, nil
}

// ask returns nil when the component says that it is well.
func (p *prober) ask(c *component) error {
	request, err := http.NewRequest(http.MethodGet, c.healthURL(p.s), nil)
	if err != nil {
		return err
	}
	if c.name == "apiserver" {
		request.Header.Set("Authorization", "Bearer "+p.s.Tokens["admin"])
	}
	client := p.plain
	if c.name == "etcd" {
		client = p.etcd
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, failedChecks(string(body)))
	}
	return nil
}

// failedChecks picks the lines of /readyz that name what is not ready.
func failedChecks(body string) string {
	var failed []string
	for line := range strings.SplitSeq(body, "\n") {
		if strings.HasPrefix(line, "[-]") {
			failed = append(failed, strings.TrimPrefix(line, "[-]"))
		}
	}
	if len(failed) == 0 {
		return strings.TrimSpace(body)
	}
	return strings.Join(failed, "; ")
}

// await waits until the component is well, or has ended, or time is up.
func (p *prober) await(ctx context.Context, c *component) error {
	var last error
	for {
		if last = p.ask(c); last == nil {
			return nil
		}
		if !p.s.Processes[c.name].alive() {
			return fmt.Errorf("%s ended; its log %s:\n%s", c.name, p.s.log(c.name),
				p.s.logTail(c.name))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; its log %s:\n%s", c.name, last,
				p.s.log(c.name), p.s.logTail(c.name))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
