package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"sync"
	"time"
)

// Answer is how a node's cluster-admin treats the question whether it is one.
type Answer int

// The right answer, and wrong ones that have been met.
const (
	AnswerRight    Answer = iota // 401 and the header
	AnswerNoHeader               // 401 alone
	AnswerOther                  // 200, as any web server
	AnswerRedirect               // elsewhere, where the right answer is
	AnswerHalf                   // the right header, then nothing of the body
	AnswerNever                  // TLS, and then silence
)

// tasksPath is what clients of cluster-admin, and promote-node, ask for.
const tasksPath = "/cluster-admin/api/cluster/tasks"

// ClusterAdmin is the one faked part of a node: an HTTPS server on port 443 of all its
// addresses which says to a stranger what cluster-admin says. It is part of the
// lab's process; only its sockets are in the node.
type ClusterAdmin struct {
	node *Node

	mu     sync.Mutex
	answer Answer
	server *http.Server
	closed chan struct{}
}

func newClusterAdmin(n *Node) *ClusterAdmin { return &ClusterAdmin{node: n} }

// SetAnswer changes how questions are answered from now on.
func (a *ClusterAdmin) SetAnswer(answer Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// Start listens, with a certificate of its own as cluster-admin has at first. Nothing
// happens if it is listening.
func (a *ClusterAdmin) Start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil {
		return nil
	}
	certificate, err := selfSigned(a.node.Name())
	if err != nil {
		return err
	}
	listener, err := a.node.Listen(ctx, "tcp", "[::]:443")
	if err != nil {
		return fmt.Errorf("cluster-admin of node %d: %w", a.node.ID, err)
	}
	a.server = &http.Server{
		Handler:           a,
		ReadHeaderTimeout: time.Minute,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:          log.New(io.Discard, "", 0), //nolint:forbidigo // clients that do not trust it are no news
	}
	a.closed = make(chan struct{})
	go a.serve(a.server, a.closed, func() error { return a.server.ServeTLS(listener, "", "") })
	return nil
}

func (a *ClusterAdmin) serve(server *http.Server, closed chan<- struct{}, run func() error) {
	defer close(closed)
	if err := run(); !errors.Is(err, http.ErrServerClosed) {
		a.node.lab.log.WithField("node", a.node.ID).WithError(err).Warn("cluster-admin ended")
		if err := server.Close(); err != nil {
			a.node.lab.log.WithField("node", a.node.ID).WithError(err).Warn("close cluster-admin")
		}
	}
}

// Stop closes the port and all connections.
func (a *ClusterAdmin) Stop() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server == nil {
		return nil
	}
	err := a.server.Close()
	<-a.closed
	a.server = nil
	return err
}

// ServeHTTP answers one question.
func (a *ClusterAdmin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	answer := a.answer
	a.mu.Unlock()
	switch {
	case answer == AnswerRedirect && r.URL.Path == tasksPath:
		http.Redirect(w, r, "/moved"+tasksPath, http.StatusFound)
	case r.URL.Path != tasksPath && r.URL.Path != "/moved"+tasksPath:
		http.NotFound(w, r)
	default:
		answer.write(w, r)
	}
}

func (answer Answer) write(w http.ResponseWriter, r *http.Request) {
	switch answer {
	case AnswerNever:
		<-r.Context().Done()
	case AnswerOther:
		w.WriteHeader(http.StatusOK)
	case AnswerNoHeader:
		w.WriteHeader(http.StatusUnauthorized)
	case AnswerHalf:
		w.Header().Set("Content-Length", "1000")
		writeDenied(w)
		if err := http.NewResponseController(w).Flush(); err == nil {
			<-r.Context().Done()
		}
	case AnswerRight, AnswerRedirect:
		writeDenied(w)
	}
}

func writeDenied(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="nethserver"`)
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, `{"code":401}`)
}

// selfSigned makes a certificate for a host name, valid for a day.
func selfSigned(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		DNSNames:     []string{name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
