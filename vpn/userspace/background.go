package userspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Name is the name by which wg-quick knows an engine, and by which a program
// that contains this package has to recognise that it is started as one: it
// hands its arguments to Main when the base name of argv[0] is Name.
const Name = "wireguard-go"

const (
	self       = "/proc/self/exe" // still right when the file has been replaced by an update
	readyFD    = 3
	readyWord  = "ready"
	readyLimit = 4096 // of an error's text
)

// startInBackground starts this program again as the engine, in a session of
// its own and cut off from all files of this process: wg-quick's caller may be
// waiting for the end of a pipe. The new process says on one inherited pipe
// that it is ready, or what went wrong.
func startInBackground(ctx context.Context, name string) error {
	if err := unix.CloseRange(readyFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close inherited files: %w", err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	cmd := engineCommand(ctx, name, writer)
	err = errors.Join(cmd.Start(), writer.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("start engine: %w", err), reader.Close())
	}
	answer, err := readAnswer(ctx, reader)
	return verdict(answer, errors.Join(err, reader.Close(), cmd.Process.Release()))
}

// readAnswer reads to the end of the pipe, or until ctx ends.
func readAnswer(ctx context.Context, reader *os.File) (string, error) {
	stop := context.AfterFunc(ctx, func() {
		if err := reader.SetReadDeadline(time.Unix(1, 0)); err != nil {
			return // the pipe is closed: the answer has been read
		}
	})
	defer stop()
	answer, err := io.ReadAll(io.LimitReader(reader, readyLimit))
	return string(answer), err
}

// engineCommand is the command line of the engine's own process. It outlives
// ctx.
func engineCommand(ctx context.Context, name string, ready *os.File) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self)
	cmd.Args = []string{Name, fmt.Sprintf("--ready-fd=%d", readyFD), name}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{ready}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// verdict turns what the engine said on its pipe into an error.
func verdict(answer string, err error) error {
	switch text := strings.TrimSpace(answer); {
	case text == readyWord:
		return nil
	case text != "":
		return errors.New(text)
	case err != nil:
		return fmt.Errorf("wait for the engine: %w", err)
	default:
		return errors.New("the engine died before it was ready")
	}
}
