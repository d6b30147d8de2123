package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"
)

// driver pushes tasks and reads their progress with as little work as it can, its
// own and Redis': on a machine of two cores, both share them with what is measured.
// It speaks RESP2 by itself, on one connection for each direction.
type driver struct {
	news   *bufio.Reader
	conns  []net.Conn
	push   net.Conn
	agent  string
	action string
	pushed map[string]time.Time
	ready  []byte // pushes to be written
	next   int
	epoch  int64
}

func newDriver(ctx context.Context, address, agent, action string) (*driver, error) {
	d := &driver{agent: agent, action: action, pushed: map[string]time.Time{}, epoch: time.Now().UnixNano()}
	for range 2 {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		d.conns = append(d.conns, conn)
	}
	d.news, d.push = bufio.NewReaderSize(d.conns[0], 1<<16), d.conns[1]
	if _, err := d.conns[0].Write(command("PSUBSCRIBE", "progress/"+agent+"/*")); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if _, err := readReply(d.news); err != nil {
		return nil, errors.Join(err, d.close())
	}
	// A push needs no reply: what was not pushed is never answered. This one has none either.
	if _, err := d.push.Write(command("CLIENT", "REPLY", "OFF")); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *driver) close() error {
	errs := make([]error, 0, len(d.conns))
	for _, conn := range d.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// pushOne makes a task ready to be written with others.
func (d *driver) pushOne() {
	id := strconv.FormatInt(d.epoch, 36) + "-" + strconv.Itoa(d.next)
	d.next++
	d.pushed[id] = time.Now()
	d.ready = appendCommand(d.ready, "LPUSH", d.agent+"/tasks", `{"id":"`+id+`","action":"`+d.action+`","data":{}}`)
}

// flush writes what is ready, when there is no news left to be read.
func (d *driver) flush() error {
	if len(d.ready) == 0 || d.news.Buffered() > 0 {
		return nil
	}
	_, err := d.push.Write(d.ready)
	d.ready = d.ready[:0]
	return err
}

// run keeps a number of tasks outstanding for a period, and returns how long
// each took from LPUSH to its final status.
func (d *driver) run(ctx context.Context, outstanding int, period time.Duration) ([]time.Duration, error) {
	for range outstanding {
		d.pushOne()
	}
	var latencies []time.Duration
	end := time.Now().Add(period)
	for len(d.pushed) > 0 && ctx.Err() == nil {
		if err := d.conns[0].SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return nil, err
		}
		if err := d.flush(); err != nil {
			return nil, fmt.Errorf("push tasks: %w", err)
		}
		message, err := readReply(d.news)
		if err != nil {
			return nil, fmt.Errorf("%d tasks are not answered: %w", len(d.pushed), err)
		}
		if len(message) != 4 || !isFinal(message[3]) {
			continue
		}
		id := string(message[2][bytes.LastIndexByte(message[2], '/')+1:])
		began, ours := d.pushed[id]
		if !ours {
			continue
		}
		if !bytes.Contains(message[3], []byte("completed")) {
			return nil, fmt.Errorf("task %s: %s", id, message[3])
		}
		latencies = append(latencies, time.Since(began))
		delete(d.pushed, id)
		if time.Now().Before(end) {
			d.pushOne()
		}
	}
	slices.Sort(latencies)
	return latencies, nil
}

func isFinal(message []byte) bool {
	return !bytes.Contains(message, []byte(`"running"`)) && !bytes.Contains(message, []byte(`"pending"`))
}

// command encodes a command in RESP.
func command(words ...string) []byte { return appendCommand(nil, words...) }

func appendCommand(out []byte, words ...string) []byte {
	out = strconv.AppendInt(append(out, '*'), int64(len(words)), 10)
	for _, word := range words {
		out = strconv.AppendInt(append(out, "\r\n$"...), int64(len(word)), 10)
		out = append(append(out, "\r\n"...), word...)
	}
	return append(out, "\r\n"...)
}

// readReply reads an array of bulk strings and integers.
func readReply(r *bufio.Reader) ([][]byte, error) {
	n, err := readHeader(r, '*')
	if err != nil {
		return nil, err
	}
	words := make([][]byte, n)
	for i := range words {
		kind, err := r.Peek(1)
		if err != nil {
			return nil, err
		}
		if kind[0] == ':' {
			if words[i], err = r.ReadBytes('\n'); err != nil {
				return nil, err
			}
			continue
		}
		size, err := readHeader(r, '$')
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return nil, err
		}
		words[i] = word[:size]
	}
	return words, nil
}

func readHeader(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 3 || line[0] != kind {
		return 0, fmt.Errorf("unexpected reply %q", line)
	}
	return strconv.Atoi(string(line[1 : len(line)-2]))
}
