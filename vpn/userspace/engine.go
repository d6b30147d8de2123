package userspace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/ipc"
	"golang.zx2c4.com/wireguard/tun"
)

// Options of an engine.
type Options struct {
	Name       string        // of the interface
	Foreground bool          // serve in this process, until the end
	Log        *logrus.Entry // of an engine in the foreground; nil: silent

	// ready is called when a foreground engine can be configured.
	ready func() error
}

// Run starts an engine. In the foreground it returns when ctx ends (nil), when
// the interface is deleted (nil) or when the engine cannot be started. In the
// background it returns when the engine can be configured, or has failed to
// start.
func Run(ctx context.Context, o Options) error {
	if !o.Foreground {
		return startInBackground(ctx, o.Name)
	}
	return serve(ctx, o)
}

// serve runs the engine to its end.
func serve(ctx context.Context, o Options) error {
	udp, err := newBind()
	if err != nil {
		return err
	}
	tunnel, err := tun.CreateTUN(o.Name, device.DefaultMTU)
	if err != nil {
		return fmt.Errorf("create interface %s: %w", o.Name, err)
	}
	engine := device.NewDevice(tunnel, udp, logger(o.Log))
	defer engine.Close() // also closes the TUN, which deletes the interface

	socket, err := listen(ctx, o.Name)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go accept(engine, socket, failed)

	if o.ready != nil {
		if err = o.ready(); err != nil {
			return errors.Join(fmt.Errorf("report readiness: %w", err), closeSocket(socket))
		}
	}
	select {
	case <-ctx.Done():
	case <-engine.Wait(): // the interface was deleted
	case err = <-failed:
	}
	return errors.Join(err, closeSocket(socket))
}

// closeSocket closes the configuration socket and removes its file. The
// library's listener races with its own watcher of the file for who closes
// what; both are closed in the end.
func closeSocket(socket net.Listener) error {
	if err := socket.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close configuration socket: %w", err)
	}
	return nil
}

// Times to wait for the engine before this one to leave.
const (
	leavingPoll  = 10 * time.Millisecond
	leavingLimit = 5 * time.Second
)

// awaitFree waits while another engine listens on the socket. The interface is
// ours already, so that engine's has been deleted and it is about to end, as
// between wg-quick down and up. It removes the socket's file before it stops
// listening; to take its place any earlier would lose the new file.
func awaitFree(ctx context.Context, path string) {
	ctx, cancel := context.WithTimeout(ctx, leavingLimit)
	defer cancel()
	poll := time.NewTicker(leavingPoll)
	defer poll.Stop()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil || c.Close() != nil {
			return // nobody listens, or nobody cares
		}
		select {
		case <-ctx.Done():
			return // then opening the socket says what is wrong
		case <-poll.C:
		}
	}
}

// listen opens the configuration socket.
func listen(ctx context.Context, name string) (net.Listener, error) {
	awaitFree(ctx, "/var/run/wireguard/"+name+".sock")
	file, err := ipc.UAPIOpen(name)
	if err != nil {
		return nil, fmt.Errorf("open configuration socket of %s: %w", name, err)
	}
	socket, err := ipc.UAPIListen(name, file)
	if err = errors.Join(err, file.Close()); err != nil { // the listener has a duplicate
		return nil, fmt.Errorf("listen on configuration socket of %s: %w", name, err)
	}
	return socket, nil
}

// accept serves the configuration socket. It ends with the listener; the
// removal of the socket's file, which is how people stop a userspace engine,
// counts as an orderly end.
func accept(engine *device.Device, socket net.Listener, failed chan<- error) {
	for {
		client, err := socket.Accept()
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		} else if err == nil {
			go engine.IpcHandle(client)
			continue
		}
		failed <- err
		return
	}
}

// logger gives the engine's errors to entry. Its other messages tell of every
// handshake and keepalive.
func logger(entry *logrus.Entry) *device.Logger {
	l := &device.Logger{Verbosef: device.DiscardLogf, Errorf: device.DiscardLogf}
	if entry != nil {
		l.Verbosef, l.Errorf = entry.Debugf, entry.Errorf
	}
	return l
}
