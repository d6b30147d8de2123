package redisq

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// connected is a paced connection, and its other end.
func connected(t *testing.T, patience time.Duration) (net.Conn, net.Conn) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	paced, err := pace(ours, patience)
	if err = errors.Join(err, listener.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(paced.Close(), theirs.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return paced, theirs
}

// What has not arrived when a connection is closed is dropped, which the other end learns.
func TestPacedClose(t *testing.T) {
	t.Parallel()
	ours, theirs := connected(t, time.Second)
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the other end has %v", err)
	}
}

// Much may take longer than the patience, as long as it moves.
func TestPacedWrite(t *testing.T) {
	t.Parallel()
	const patience, size, part = 500 * time.Millisecond, 16 << 20, 1 << 20
	ours, theirs := connected(t, patience)
	slowly := time.NewTicker(patience / 8)
	defer slowly.Stop()
	read := make(chan error, 1)
	go func() {
		for range size / part {
			<-slowly.C
			if _, err := io.CopyN(io.Discard, theirs, part); err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	began := time.Now()
	if n, err := ours.Write(make([]byte, size)); n != size || err != nil {
		t.Errorf("%d bytes written: %v", n, err)
	}
	if took := time.Since(began); took < patience {
		t.Errorf("it took %s, not longer than the patience: this proves nothing", took)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
}

// What does not move is given up.
func TestPacedWriteToNobody(t *testing.T) {
	t.Parallel()
	ours, _ := connected(t, 50*time.Millisecond)
	if n, err := ours.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes written: %v", n, err)
	}
}
