package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// lister asks the kernel for lists over rtnetlink, and hands out their messages as
// they come, without keeping them.
type lister struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	in  []byte
}

// listBuffer is the most that the kernel writes at once, see netlink_dump in its
// source.
const listBuffer = 32 << 10

func openLister(timeout time.Duration) (*lister, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	limit := unix.NsecToTimeval(timeout.Nanoseconds())
	err = errors.Join(unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open rtnetlink: %w", err), unix.Close(fd))
	}
	return &lister{fd: fd, in: make([]byte, listBuffer)}, nil
}

func (l *lister) close() error { return unix.Close(l.fd) }

// dump asks for a list, and hands out the content of each message. It returns
// [netlink.ErrDumpInterrupted] if something changed meanwhile, so that the list may
// lack entries.
func (l *lister) dump(kind uint16, body []byte, each func([]byte)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.request(kind, body); err != nil {
		return err
	}
	interrupted := false
	for {
		n, from, err := unix.Recvfrom(l.fd, l.in, 0)
		if errors.Is(err, unix.EINTR) || err == nil && !fromKernel(from) {
			continue
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		ended, disturbed, err := l.read(l.in[:n], each)
		if interrupted = interrupted || disturbed; err != nil {
			return err
		}
		if ended && interrupted {
			return netlink.ErrDumpInterrupted
		}
		if ended {
			return nil
		}
	}
}

// fromKernel tells the kernel from other processes, which may send to the socket.
func fromKernel(from unix.Sockaddr) bool {
	sender, ok := from.(*unix.SockaddrNetlink)
	return ok && sender.Pid == 0
}

// request sends the request for a list, under a number of its own.
func (l *lister) request(kind uint16, body []byte) error {
	l.seq++
	out := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(body))
	binary.NativeEndian.PutUint32(out, uint32(cap(out))) //nolint:gosec // a few bytes
	binary.NativeEndian.PutUint16(out[4:], kind)
	binary.NativeEndian.PutUint16(out[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(out[8:], l.seq)
	if err := unix.Sendto(l.fd, append(out, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

var errCut = errors.New("the kernel's message is cut off")

// read goes through the messages of one receive. Those of another number belong to a
// list that was given up.
func (l *lister) read(in []byte, each func([]byte)) (ended, disturbed bool, err error) {
	for len(in) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(in))
		if size < unix.SizeofNlMsghdr || size > len(in) {
			return false, false, errCut
		}
		body := in[unix.SizeofNlMsghdr:size]
		kind, flags, seq := binary.NativeEndian.Uint16(in[4:]), binary.NativeEndian.Uint16(in[6:]), binary.NativeEndian.Uint32(in[8:])
		in = in[min(aligned(size), len(in)):]
		if seq != l.seq {
			continue
		}
		disturbed = disturbed || flags&unix.NLM_F_DUMP_INTR != 0
		switch kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			return true, disturbed, failure(body)
		default:
			each(body)
		}
	}
	return false, disturbed, nil
}

// failure is the error that ends a list; none is the rule.
func failure(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(body)); code < 0 { //nolint:gosec // it is a signed number
		return unix.Errno(-code)
	}
	return nil
}
