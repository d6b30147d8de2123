package main

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

// peers are the two ends of a connection through a proxy.
func peers(t *testing.T) (p *proxy, client, server net.Conn) {
	t.Helper()
	target, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, target.Close()) })
	p, err = newProxy(t.Context(), target.Addr().String())
	must(t, err)
	client = connect(t, p)
	server, err = target.Accept()
	must(t, err)
	t.Cleanup(func() {
		hangUp(client)
		hangUp(server)
		must(t, p.end())
	})
	must(t, server.SetDeadline(time.Now().Add(startTime)))
	return p, client, server
}

func connect(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.address())
	must(t, err)
	must(t, client.SetDeadline(time.Now().Add(startTime)))
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sends writes to one end and wants the other to read it.
func sends(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(from, text)
	must(t, err)
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("%q came as %q: %v", text, got, err)
	}
}

// rest is all that comes until the connection ends.
func rest(connection net.Conn) string {
	text, err := io.ReadAll(connection)
	if err != nil {
		return string(text) // a reset is an end, too
	}
	return string(text)
}

func TestProxyPasses(t *testing.T) {
	t.Parallel()
	p, client, server := peers(t)
	<-p.inUse()
	sends(t, client, server, "request")
	sends(t, server, client, "reply")
}

// TestProxyCuts: in the middle of bytes, in one direction.
func TestProxyCuts(t *testing.T) {
	t.Parallel()
	for name, replies := range map[string]bool{"requests": false, "replies": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, from, to := peers(t)
			if replies {
				from, to = to, from
			}
			sends(t, from, to, "before")
			p.cutAt(3, replies)
			sends(t, to, from, "the other way")
			_, err := io.WriteString(from, "cut here")
			must(t, err)
			if got := rest(to); got != "cut" {
				t.Errorf("%q passed", got)
			}
			if got := rest(from); got != "" {
				t.Errorf("%q came back", got)
			}
		})
	}
}

func TestProxyHolds(t *testing.T) {
	t.Parallel()
	p, client, server := peers(t)
	release := p.holdReplies()
	_, err := io.WriteString(server, "reply")
	must(t, err)
	sends(t, client, server, "requests pass")
	const moment = 100 * time.Millisecond
	must(t, client.SetReadDeadline(time.Now().Add(moment)))
	if n, err := client.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes of the reply passed", n)
	}
	must(t, client.SetReadDeadline(time.Now().Add(startTime)))
	release()
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "reply" {
		t.Errorf("then %q came: %v", got, err)
	}
}

// TestProxyShut: connections are gone, and new ones are closed until it opens.
func TestProxyShut(t *testing.T) {
	t.Parallel()
	p, client, _ := peers(t)
	<-p.inUse()
	p.renew()
	p.close()
	if got := rest(client); got != "" {
		t.Errorf("%q came", got)
	}
	refused := connect(t, p)
	if got := rest(refused); got != "" {
		t.Errorf("%q came", got)
	}
	hangUp(refused)
	select {
	case <-p.inUse():
		t.Error("somebody came through a proxy that was shut")
	default:
	}
	p.open()
	client = connect(t, p)
	defer hangUp(client)
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	select {
	case <-p.inUse():
	case <-ctx.Done():
		t.Error("nobody comes through the open proxy")
	}
}
