// kubeproxy stands between a client and a real API server and breaks things on command.
//
// It ends TLS with an authority of its own, so certificates can be rotated under the client, and
// takes commands from standard input, one a line; each is answered by "ok" once it is in force.
//
//	kubeproxy --upstream https://127.0.0.1:6443 --token ADMIN-TOKEN --dir DIR
//
// writes DIR/ca.crt (the authority that clients must trust) and prints "listening ADDRESS".
//
//	cut                 close every connection now
//	half N              the next N watch answers end abruptly in the middle of a line
//	gone N              the next N watches from a version: HTTP 410
//	expire N            the next N watches from a version: 200 and an ERROR event with code 410
//	storm N             the next N requests: 429 with Retry-After: 1
//	busy N              the same for the next N writes only
//	fail N              the next N requests: 500, 502, 503, 504 in turn, 503 with Retry-After
//	slow BYTES MS       answers come BYTES at a time, MS apart (0 0 = off)
//	freeze              connections of now say nothing any more and stay open
//	rotate              a new authority and certificate, all connections closed
//	token T             only the bearer token T is accepted from now on
//	lose N              the next N writes reach the server; their answers do not come back
//	page410 N           the next N list pages with a continue token: 410
//	stats               prints "stats key=value ..."
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type faults struct {
	mu                                                   sync.Mutex
	half, gone, expire, storm, busy, fail, lose, page410 int
	slowBytes                                            int
	slowWait                                             time.Duration
	token                                                string
	frozenBefore                                         int64 // connections with a lower number are frozen
	conns                                                map[net.Conn]int64
	cert                                                 *tls.Certificate
	failed                                               int
	requests, unauthorized, injected, http2, http1       atomic.Int64
	connections                                          atomic.Int64
	writes                                               map[string]int
}

type connKey struct{}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// newAuthority makes an authority and a certificate for the loopback, and writes the authority.
func (f *faults) newAuthority(dir string) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(err)
	ca := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "kubeproxy " + serial.String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDer, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kubeproxy"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, DNSNames: []string{"kubernetes.example"}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	must(err)
	f.mu.Lock()
	f.cert = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	f.mu.Unlock()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDer})
	temporary := filepath.Join(dir, ".ca.crt")
	must(os.WriteFile(temporary, text, 0o600))
	must(os.Rename(temporary, filepath.Join(dir, "ca.crt")))
}

func (f *faults) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		_ = c.Close()
	}
}

// take uses up one of the counter, if any is left.
func (f *faults) take(counter *int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *counter == 0 {
		return false
	}
	*counter--
	f.injected.Add(1)
	return true
}

func status(w http.ResponseWriter, code int, reason, message string, retryAfter string) {
	w.Header().Set("Content-Type", "application/json")
	if retryAfter != "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure",
		"reason": reason, "message": message, "code": code})
}

// shaper passes an answer on as the faults say.
type shaper struct {
	http.ResponseWriter
	f     *faults
	conn  int64
	half  bool
	wrote int
}

func (s *shaper) Flush() {
	if !s.frozen() {
		_ = http.NewResponseController(s.ResponseWriter).Flush()
	}
}

func (s *shaper) frozen() bool {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.conn < s.f.frozenBefore
}

func (s *shaper) Write(p []byte) (int, error) {
	if s.frozen() {
		return len(p), nil // swallowed: the client hears nothing
	}
	if s.half && len(p) > 40 {
		_, _ = s.ResponseWriter.Write(p[:len(p)/2])
		s.Flush()
		panic(http.ErrAbortHandler)
	}
	s.f.mu.Lock()
	step, wait := s.f.slowBytes, s.f.slowWait
	s.f.mu.Unlock()
	if step == 0 {
		n, err := s.ResponseWriter.Write(p)
		s.Flush()
		return n, err
	}
	for at := 0; at < len(p); at += step {
		end := min(at+step, len(p))
		if _, err := s.ResponseWriter.Write(p[at:end]); err != nil {
			return at, err
		}
		s.Flush()
		time.Sleep(wait)
	}
	return len(p), nil
}

func (f *faults) handle(proxy *httputil.ReverseProxy, w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	if r.ProtoMajor == 2 {
		f.http2.Add(1)
	} else {
		f.http1.Add(1)
	}
	conn, _ := r.Context().Value(connKey{}).(int64)
	f.mu.Lock()
	token := f.token
	if r.Method != http.MethodGet {
		f.writes[r.Method+" "+r.URL.Path]++
	}
	f.mu.Unlock()
	if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
		f.unauthorized.Add(1)
		status(w, 401, "Unauthorized", "Unauthorized", "")
		return
	}
	query := r.URL.Query()
	isWatch := query.Get("watch") != ""
	resumed := isWatch && query.Get("resourceVersion") != ""
	switch {
	case f.take(&f.storm), r.Method != http.MethodGet && f.take(&f.busy):
		status(w, 429, "TooManyRequests", "the storm", "1")
		return
	case f.take(&f.fail):
		f.mu.Lock()
		code := []int{500, 502, 503, 504}[f.failed%4]
		f.failed++
		f.mu.Unlock()
		retry := ""
		if code == 503 {
			retry = "1"
		}
		status(w, code, "InternalError", "injected", retry)
		return
	case resumed && f.take(&f.gone):
		status(w, 410, "Expired", "too old resource version", "")
		return
	case resumed && f.take(&f.expire):
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure",`+
			`"message":"too old resource version: 1 (2)","reason":"Expired","code":410}}`+"\n")
		return
	case query.Get("continue") != "" && f.take(&f.page410):
		status(w, 410, "Expired", "the provided continue parameter is too old", "")
		return
	case r.Method != http.MethodGet && f.take(&f.lose):
		proxy.ServeHTTP(&swallower{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
	s := &shaper{ResponseWriter: w, f: f, conn: conn}
	s.half = isWatch && f.take(&f.half)
	proxy.ServeHTTP(s, r)
	if s.frozen() {
		<-r.Context().Done()
	}
}

// swallower takes an answer that nobody gets.
type swallower struct{ header http.Header }

func (s *swallower) Header() http.Header         { return s.header }
func (s *swallower) Write(p []byte) (int, error) { return len(p), nil }
func (s *swallower) WriteHeader(int)             {}

func (f *faults) command(line, dir string) {
	var name, text string
	var a, b int
	_, _ = fmt.Sscan(line, &name)
	if name == "token" {
		_, _ = fmt.Sscan(line, &name, &text)
	} else {
		_, _ = fmt.Sscan(line, &name, &a, &b)
	}
	f.mu.Lock()
	switch name {
	case "half":
		f.half = a
	case "gone":
		f.gone = a
	case "expire":
		f.expire = a
	case "storm":
		f.storm = a
	case "busy":
		f.busy = a
	case "fail":
		f.fail = a
	case "lose":
		f.lose = a
	case "page410":
		f.page410 = a
	case "slow":
		f.slowBytes, f.slowWait = a, time.Duration(b)*time.Millisecond
	case "freeze":
		f.frozenBefore = f.connections.Load() + 1
	case "token":
		f.token = text
	case "stats":
		var writes []string
		for k, n := range f.writes {
			writes = append(writes, fmt.Sprintf("%s=%d", strings.ReplaceAll(k, " ", ":"), n))
		}
		fmt.Printf("stats requests=%d unauthorized=%d injected=%d http2=%d http1=%d connections=%d open=%d %s\n",
			f.requests.Load(), f.unauthorized.Load(), f.injected.Load(), f.http2.Load(), f.http1.Load(),
			f.connections.Load(), len(f.conns), strings.Join(writes, " "))
	case "cut", "rotate":
	default:
		log.Fatalf("kubeproxy: unknown command %q", line)
	}
	f.mu.Unlock()
	if name == "rotate" {
		f.newAuthority(dir)
	}
	if name == "cut" || name == "rotate" {
		f.closeAll()
	}
	fmt.Println("ok")
}

func main() {
	upstream := flag.String("upstream", "", "the API server")
	token := flag.String("token", "", "the token that the API server wants")
	dir := flag.String("dir", "", "where ca.crt is written")
	flag.Parse()
	target, err := url.Parse(*upstream)
	must(err)
	f := &faults{conns: map[net.Conn]int64{}, writes: map[string]int{}}
	f.newAuthority(*dir)
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Header.Set("Authorization", "Bearer "+*token)
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
			DisableCompression: true},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.handle(proxy, w, r) }),
		TLSConfig: &tls.Config{NextProtos: []string{"h2", "http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				f.mu.Lock()
				defer f.mu.Unlock()
				return f.cert, nil
			}},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			number := f.connections.Add(1)
			f.mu.Lock()
			f.conns[c] = number
			f.mu.Unlock()
			return context.WithValue(ctx, connKey{}, number)
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				f.mu.Lock()
				delete(f.conns, c)
				f.mu.Unlock()
			}
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	fmt.Printf("listening %s\n", listener.Addr())
	go func() { must(server.ServeTLS(listener, "", "")) }()
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		f.command(input.Text(), *dir)
	}
}
