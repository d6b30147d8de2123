package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"cluster-agent/internal/monitor"
	"cluster-agent/internal/sigchld"
)

const (
	bareRole    = "run-bare"
	bareSlots   = 32 // as an agent has
	bareExec    = "module/bare-exec"
	bareRunner  = "module/bare-runner"
	bareJournal = "module/bare-journal"
	// These two start nothing: what is left is Redis, and the journal.
	bareNothing  = "module/bare-nothing"
	bareRecorded = "module/bare-recorded"
)

// bareAgent is what is left of an agent when the engine is taken away: for each
// task it sends the commands of the protocol, in as few round trips as there can
// be, and starts the no-op. It checks, masks, looks up, logs and repairs nothing.
//
// It exists to show how far the protocol by itself is from package os/exec
// alone, on a machine that Redis and the client have to share: no agent that
// keeps to the protocol and starts its steps in the same way can be faster. And
// what is between it and the agent is what the engine costs.
type bareAgent struct {
	id   string
	step step
	out  chan exchange
}

// step runs the no-op and returns what it printed.
type step func(context.Context) (output, errput string, err error)

// exchange is some commands and the number of replies to them.
type exchange struct {
	commands []byte
	replies  int
}

// runBare is the process of a bare agent. It goes on until something fails, or
// it is killed.
func runBare(ctx context.Context, id, address, dir string) error {
	slack, err := monitor.Calm()
	report(errors.Join(err, sigchld.Off()))
	noop, err := bareStep(ctx, id, dir, slack)
	if err != nil {
		return err
	}
	b := &bareAgent{id: id, step: noop, out: make(chan exchange, bareSlots)}
	failed := make(chan error)
	for _, serve := range []func(context.Context, net.Conn) error{b.fetch, b.send} {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		go func() { failed <- serve(ctx, conn) }()
	}
	return <-failed
}

// fetch takes tasks as the agent does: it waits for one, and takes with it up to
// twice as many as came the last time.
func (b *bareAgent) fetch(ctx context.Context, conn net.Conn) error {
	queue, inProgress := b.id+"/tasks", b.id+"/tasks/in-progress"
	first := command("BLMOVE", queue, inProgress, "RIGHT", "LEFT", "5")
	further := command("LMOVE", queue, inProgress, "RIGHT", "LEFT")
	all := slices.Concat(first, bytes.Repeat(further, bareSlots-1))
	replies := bufio.NewReader(conn)
	for came := 1; ; {
		asked := min(2*came, bareSlots)
		if _, err := conn.Write(all[:len(first)+(asked-1)*len(further)]); err != nil {
			return err
		}
		came = 1
		for n := range asked {
			payload, err := readAnswer(replies)
			if err != nil {
				return err
			}
			if payload != "" {
				came = n + 1
				go b.handle(ctx, payload)
			}
		}
	}
}

func (b *bareAgent) handle(ctx context.Context, payload string) {
	id := strings.SplitN(payload, `"`, 5)[3] // the client's payloads begin with {"id":"…"
	task, news := "task/"+b.id+"/"+id, "progress/"+b.id+"/task/"+id
	b.out <- accepted(task, news, payload)
	output, errput, err := b.step(ctx)
	status, code := "completed", "0"
	if err != nil {
		status, code, errput = "aborted", "1", err.Error()
	}
	out := make([]byte, 0, 1<<10)
	out = appendCommand(out, "PUBLISH", news, `{"status":"running","progress":100}`)
	out = appendCommand(out, "MULTI")
	out = appendCommand(out, "DEL", b.id+"/environment")
	out = appendCommand(out, "SET", task+"/output", output, "EX", "28800")
	out = appendCommand(out, "SET", task+"/error", errput, "EX", "28800")
	out = appendCommand(out, "SET", task+"/exit_code", code, "EX", "28800")
	out = appendCommand(out, "EXPIRE", task+"/context", "28800")
	out = appendCommand(out, "LREM", b.id+"/tasks/in-progress", "1", payload)
	out = appendCommand(out, "PUBLISH", news, `{"status":"`+status+`","progress":100}`)
	b.out <- exchange{appendCommand(out, "EXEC"), 10}
}

func accepted(task, news, payload string) exchange {
	out := make([]byte, 0, 512)
	out = appendCommand(out, "SET", task+"/context", payload, "EX", "60")
	out = appendCommand(out, "PUBLISH", news, `{"status":"pending","progress":0}`)
	return exchange{appendCommand(out, "PUBLISH", news, `{"status":"running","progress":0}`), 3}
}

// send writes what there is, and then what has come while the replies were
// under way. A step waits for no reply.
func (b *bareAgent) send(_ context.Context, conn net.Conn) error {
	replies := bufio.NewReader(conn)
	for next := range b.out {
		for range len(b.out) {
			more := <-b.out
			next = exchange{append(next.commands, more.commands...), next.replies + more.replies}
		}
		if _, err := conn.Write(next.commands); err != nil {
			return err
		}
		for range next.replies {
			if _, err := readAnswer(replies); err != nil {
				return err
			}
		}
	}
	return nil
}

// readAnswer reads one reply of any kind; what is not a string of its own comes
// as an empty one.
func readAnswer(r *bufio.Reader) (string, error) {
	kind, err := r.Peek(1)
	if err != nil {
		return "", err
	}
	switch kind[0] {
	case '$':
		return readBulk(r)
	case '*':
		n, err := readHeader(r, '*')
		for range max(n, 0) {
			_, more := readAnswer(r)
			err = errors.Join(err, more)
		}
		return "", err
	default:
		line, err := r.ReadSlice('\n')
		if err == nil && kind[0] == '-' {
			err = errors.New(string(line))
		}
		return "", err
	}
}

func readBulk(r *bufio.Reader) (string, error) {
	size, err := readHeader(r, '$')
	if err != nil || size < 0 {
		return "", err
	}
	text := make([]byte, size+2)
	_, err = io.ReadFull(r, text)
	return string(text[:size]), err
}
