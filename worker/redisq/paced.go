package redisq

import (
	"errors"
	"net"
	"time"
)

// paced is a connection that may take as long as it likes for much, as long as it moves: over a
// slow link a result of some MiB needs longer than Redis may be silent, and what is given
// up, and sent again from its beginning, never arrives.
type paced struct {
	*net.TCPConn

	patience time.Duration // how long nothing may move
}

const (
	// pacedPart is what has to move within the patience.
	pacedPart = 64 << 10
	// pacedBuffer bounds what is on its way when a write has returned, and the wait for the
	// reply begins. The kernel takes twice as much.
	pacedBuffer = 256 << 10
)

// pace paces a connection of TCP; any other stays as it is. When it is closed, what has not left the
// machine yet is dropped: sent again over the next one, it would be there twice.
func pace(connection net.Conn, patience time.Duration) (net.Conn, error) {
	tcp, ok := connection.(*net.TCPConn)
	if !ok {
		return connection, nil
	}
	return &paced{tcp, patience}, errors.Join(tcp.SetWriteBuffer(pacedBuffer), tcp.SetLinger(0))
}

// Write implements [io.Writer].
func (c *paced) Write(data []byte) (written int, err error) {
	for {
		if err = c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
			return written, err
		}
		n, err := c.TCPConn.Write(data[written:min(len(data), written+pacedPart)])
		written += n
		if err != nil || written == len(data) {
			return written, err
		}
	}
}
