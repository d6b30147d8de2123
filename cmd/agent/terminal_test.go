package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo terminal with a program in it.
type terminal struct {
	t      *testing.T
	keys   *os.File // what is written here, the program reads as typed
	screen *record
	cmd    *exec.Cmd
	ended  chan struct{}
}

// onTerminal starts a program with a terminal of its own.
func onTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	keys, line := openTerminal(t)
	term := &terminal{t: t, keys: keys, screen: newRecord(), cmd: cmd, ended: make(chan struct{})}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = line, line, line
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	must(t, line.Close())
	go term.read()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-term.ended
		must(t, keys.Close())
		if t.Failed() {
			t.Logf("on the terminal:\n%s", term.screen)
		}
	})
	return term
}

// read reads the screen until the program ends, which closes the other side.
func (term *terminal) read() {
	defer close(term.ended)
	if _, err := io.Copy(term.screen, term.keys); err != nil && !errors.Is(err, syscall.EIO) {
		term.t.Error(err)
	}
	var exit *exec.ExitError
	if err := term.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		term.t.Error(err)
	}
}

// typed types a text and waits for another that it brings to the screen.
func (term *terminal) typed(text, want string) {
	term.t.Helper()
	_, err := term.keys.WriteString(text)
	must(term.t, err)
	term.screen.await(term.t, want)
}

// openTerminal opens both sides of a pseudo terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	return master, slave
}

// program is the test binary as the program, on the machine below root.
func program(t *testing.T, root string, argv ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Args, cmd.Dir = argv, t.TempDir()
	cmd.Env = []string{rootVariable + "=" + root, "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + t.TempDir()}
	return cmd
}

// TestWrongCallOnATerminal: a person needs no levels of a log.
func TestWrongCallOnATerminal(t *testing.T) {
	t.Parallel()
	term := onTerminal(t, program(t, t.TempDir(), "agent", "--bogus"))
	<-term.ended
	if got := term.screen.String(); got != "Error: unknown flag: --bogus\r\nSee --help for how to call it\r\n" {
		t.Errorf("said %q", got)
	}
}

// TestRunOnATerminal: the progress is one line, which goes before the output comes.
func TestRunOnATerminal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent(module, steps(t, map[string]string{"half": "echo set-progress 50 >&3; echo 1"}))
	term := onTerminal(t, program(t, m.root, "api-cli", "run", module+"/half"))
	<-term.ended
	got := term.screen.String()
	if !strings.Contains(got, "\r\033[Krunning 50%") || !strings.HasSuffix(got, "completed 100%\r\033[K1\r\n") {
		t.Errorf("on the screen %q", got)
	}
}

// TestCtrlCOnATerminal: as a person does it.
func TestCtrlCOnATerminal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.agent(module, steps(t, map[string]string{"slow": cleanUp}))
	term := onTerminal(t, program(t, m.root, "api-cli", "run", module+"/slow"))
	term.screen.await(t, "running 50%")
	term.typed("\x03", "cleaned up")
	<-term.ended
	if code := term.cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit code %d", code)
	}
}
