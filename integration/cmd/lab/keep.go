package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cluster-agent/integration/lab"
)

// demoKept runs the demo in a lab in the background, and says how to use it.
func demoKept(ctx context.Context, program string, o options) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	if conn, _, err := connect(ctx); err == nil {
		return errors.Join(fmt.Errorf("a lab is running already: %s down takes it down", program), conn.Close())
	}
	if err := startKeeper(ctx, o); err != nil {
		return err
	}
	err := ask(ctx, http.MethodPost, "/demo")
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stdout, "\ninterrupted")
		return endAfterInterrupt(context.WithoutCancel(ctx))
	}
	if code, said := errors.AsType[exit](err); err == nil || said && code != interrupted {
		explain(program, o.nodes)
	}
	return err
}

// endAfterInterrupt waits for the lab, which goes down when its client goes away.
func endAfterInterrupt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := awaitDown(ctx); err != nil {
		return err
	}
	return exit(interrupted)
}

// startKeeper starts the background process, in a session of its own, and waits until
// it answers.
func startKeeper(ctx context.Context, o options) error {
	// What it has to say if it fails goes to memory: a pipe would break, or keep whoever
	// reads our output waiting, for as long as the lab runs.
	fd, err := unix.MemfdCreate("lab", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	said := os.NewFile(uintptr(fd), "lab")
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe",
		"keeper", "--nodes", strconv.Itoa(o.nodes), "--programs", o.programs)
	cmd.Dir = "/"
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err = cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start the lab: %w", err), said.Close())
	}
	running, ended := context.WithCancelCause(ctx)
	go func() { ended(keeperEndedError{cmd.Wait()}) }()
	err = lab.Until(running, 5*time.Millisecond, answers)
	if _, early := errors.AsType[keeperEndedError](err); early {
		err = lastSaid(said)
	}
	return errors.Join(err, said.Close())
}

// keeperEndedError is the end of the background process.
type keeperEndedError struct{ error }

// lastSaid makes an error of what the background process said before it ended.
func lastSaid(said io.ReadSeeker) error {
	if _, err := said.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	text, err := io.ReadAll(said)
	return errors.Join(errors.New(strings.TrimSpace(string(text))), err)
}

// answers is nil when the lab can be asked.
func answers(ctx context.Context) error {
	conn, _, err := connect(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// explain says how to go on with a lab that is left running.
func explain(program string, nodes int) {
	fmt.Fprintf(os.Stdout, `
The cluster goes on running in the background.
  %[1]s status                  all of the above, as it is now
  %[1]s shell 2                 a shell in node 2 (1 to %[2]d)
  %[1]s exec 2 -- wg show       one command in node 2
  %[1]s off 3                   cut the power of node 3; on 3 boots it, cut 3 and plug 3 are its cable
  %[1]s down                    take it all down
`, program, nodes)
}
