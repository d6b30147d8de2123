package promotenode

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"cluster-agent/internal/loopback"
)

const (
	tasksPath = "/cluster-admin/api/cluster/tasks"
	challenge = `Bearer realm="nethserver"`
)

// answer says no as cluster-admin does.
func answer(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	if _, err := io.WriteString(w, `{"code":401}`); err != nil {
		panic(err)
	}
}

// hang holds a request until the client gives up, and never answers.
func hang(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// serve runs a server with a certificate that nobody knows, and returns what
// the probe asks in place of https://HOST.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	return server
}

// probeOf is a probe that finds every host at one address, and waits no longer
// than the test likes.
func probeOf(t *testing.T, address string, patience time.Duration) steps {
	t.Helper()
	probe := newProbe()
	probe.Timeout = patience
	transport, ok := probe.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the probe has another transport: %T", probe.Transport)
	}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return steps{probe: probe}
}

// Hazard 17: what answers at the endpoint may be anything, and slow: a 401 of somebody
// else, an answer that stops in the middle of its headers or its body. All of it means
// that the node is not reachable there, within the time allowed.
func TestHazard17ProbeOfTheEndpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string // what the error says; empty: reachable
	}{
		{"as cluster-admin", func(w http.ResponseWriter, _ *http.Request) { answer(w) }, ""},
		{"one of several challenges", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("WWW-Authenticate", "Basic")
			w.Header().Add("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		}, ""},
		{"401 without a challenge", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
		}, "status 401"},
		{"401 of another", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Basic realm=router")
			w.WriteHeader(http.StatusUnauthorized)
		}, "Basic realm=router"},
		{"200 with the challenge", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", challenge)
		}, "status 200"},
		{"404", http.NotFound, "status 404"},
		{"redirect to where it would be right", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != tasksPath {
				answer(w)
				return
			}
			w.Header().Set("WWW-Authenticate", challenge)
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, "status 302"},
		{"hangs before the headers", hang, "Client.Timeout"},
		{"hangs in the headers", func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer connection.Close()
			io.WriteString(connection, "HTTP/1.1 401 Unauthorized\r\nWWW-Auth")
			io.Copy(io.Discard, connection) // until the client gives up
		}, "Client.Timeout"},
		{"hangs in the body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			answer(w)
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			hang(w, r)
		}, "Client.Timeout"},
		{"breaks off in the body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			answer(w)
		}, "unexpected EOF"},
		{"breaks off at once", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, c.handler)
			server.StartTLS()
			patience := 10 * time.Second
			if c.want == "Client.Timeout" {
				patience = 200 * time.Millisecond
			}
			started := time.Now()
			err := probeOf(t, server.Listener.Addr().String(), patience).ask(t.Context(), "node3.example.com")
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if took := time.Since(started); took > patience+5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestProbeAsksWhatTheContractSays(t *testing.T) {
	t.Parallel()
	for address, host := range map[string]string{
		"node3.example.com": "node3.example.com", "192.0.2.3": "192.0.2.3", "2001:db8::3": "[2001:db8::3]",
	} {
		var once sync.Once
		asked := make(chan *http.Request, 1)
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			once.Do(func() { asked <- r })
			answer(w)
		})
		server.StartTLS()
		if err := probeOf(t, server.Listener.Addr().String(), 10*time.Second).ask(t.Context(), address); err != nil {
			t.Fatal(err)
		}
		r := <-asked
		if r.Method != http.MethodGet || r.URL.Path != tasksPath || r.Host != host || r.Header.Get("Authorization") != "probe" {
			t.Errorf("asked: %s %s of %s, Authorization %q", r.Method, r.URL, r.Host, r.Header.Get("Authorization"))
		}
	}
}

func TestProbeOfWhatIsNoTLSServer(t *testing.T) {
	t.Parallel()
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
	plain.Start()
	if err := probeOf(t, plain.Listener.Addr().String(), 10*time.Second).ask(t.Context(), "node3"); err == nil {
		t.Error("plain HTTP is reachable")
	}
	nobody := netip.AddrPortFrom(loopback.Address(), 1).String()
	if err := probeOf(t, nobody, 10*time.Second).ask(t.Context(), "node3"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
	// One that takes connections and says nothing, as a firewall or a dead process may.
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := probeOf(t, silent.Addr().String(), 200*time.Millisecond).ask(t.Context(), "node3"); err == nil {
		t.Error("a server that is silent is reachable")
	}
}

// TestProbeIsTheRealOne: 5 s, any certificate, no redirect.
func TestProbeIsTheRealOne(t *testing.T) {
	t.Parallel()
	probe := newProbe()
	if probe.Timeout != 5*time.Second {
		t.Errorf("patience %s", probe.Timeout)
	}
	transport, ok := probe.Transport.(*http.Transport)
	if !ok || transport.Proxy != nil || transport.TLSClientConfig == nil || !transport.TLSClientConfig.InsecureSkipVerify {
		t.Errorf("transport %+v", transport)
	}
	if ok && transport.TLSClientConfig.MinVersion > tls.VersionTLS12 {
		t.Error("servers with TLS 1.2 are left out")
	}
}

func TestInputEndpoint(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"node3.example.com": "node3.example.com:55820", "192.0.2.3": "192.0.2.3:55820",
		"2001:db8::3": "[2001:db8::3]:55820", "[2001:db8::3]": "[2001:db8::3]:55820",
	} {
		if got := (input{Address: address, Port: 55820}).endpoint(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
