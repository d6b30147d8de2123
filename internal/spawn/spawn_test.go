package spawn_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"cluster-agent/internal/spawn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ways are those in which a process can be started: all is the same in each.
func ways() map[string]*spawn.Starter {
	return map[string]*spawn.Starter{"by clone": {}, "by ForkExec": {Plain: true}}
}

// shell runs a script with its output in a pipe, and what is given as its arguments and descriptors 2, 3….
// It returns what it printed.
func shell(t *testing.T, s *spawn.Starter, script string, args []string, descriptors ...int) string {
	t.Helper()
	output, theirs := pipe(t)
	p, err := s.Start(spawn.Command{
		File: "/bin/sh", Args: append([]string{"sh", "-c", script, "sh"}, args...), Env: []string{"PATH=/usr/bin:/bin", "A=b c"},
		Descriptors: append([]int{0, int(theirs.Fd())}, descriptors...),
	})
	must(t, errors.Join(err, theirs.Close()))
	text, err := io.ReadAll(output)
	must(t, errors.Join(err, output.Close()))
	if status := wait(t, p); status != 0 || p.Failure() != nil {
		t.Errorf("status %#x, failure %v", status, p.Failure())
	}
	return string(text)
}

func pipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	must(t, err)
	return reader, writer
}

func wait(t *testing.T, p *spawn.Process) syscall.WaitStatus {
	t.Helper()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.Pid, &status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			must(t, err)
			return status
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	for name, s := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := shell(t, s, `echo "$1" "$A"; read -r _ _ _ _ group _ </proc/$$/stat; echo "$group"; echo $$`, []string{"one"})
			lines := strings.Split(got, "\n")
			if len(lines) != 4 || lines[0] != "one b c" || lines[1] != lines[2] {
				t.Errorf("printed %q", got)
			}
		})
	}
}

// TestDescriptors: a process has those that it is given, whatever their numbers here, and no other.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	const list = `for n in 0 1 2 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$n || echo none; done`
	folder := t.TempDir()
	for name, s := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own, err := os.Create(filepath.Join(folder, filepath.Base(t.Name())))
			must(t, err)
			defer func() { must(t, own.Close()) }()
			names := make([]string, 0, 4)
			for _, fd := range []int{0, 2, 1, 0} {
				name, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd))
				must(t, err)
				names = append(names, name)
			}
			got := shell(t, s, list, nil, 2, 1, 0, int(own.Fd()), 1)
			lines := strings.SplitAfterN(got, "\n", 3) // the second is the pipe
			want := fmt.Sprintln(names[1]) + fmt.Sprintln(names[2]) + fmt.Sprintln(names[3]) + fmt.Sprintln(own.Name()) + fmt.Sprintln(names[2]) + "none\nnone\nnone\n"
			if lines[0] != fmt.Sprintln(names[0]) || lines[2] != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestLikeForkExec: a process begins with the signals and the limits that package syscall would give it.
func TestLikeForkExec(t *testing.T) {
	t.Parallel()
	const script = "ulimit -a; ulimit -Ha; exec grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"
	want := shell(t, &spawn.Starter{Plain: true}, script, nil)
	if got := shell(t, &spawn.Starter{}, script, nil); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestLimit: the limit of open files that the Go runtime has raised here is not that of the process.
func TestLimit(t *testing.T) {
	t.Parallel()
	if os.Getenv("SPAWN_TEST_LIMIT") != "" {
		for name, s := range ways() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if got := shell(t, s, "ulimit -n", nil); got != "123\n" {
					t.Errorf("open files: %s", got)
				}
			})
		}
		return
	}
	again(t, `ulimit -Sn 123 && exec "$0" "$@"`, "SPAWN_TEST_LIMIT=1")
}

// again runs the test that asks for it once more, by a shell script, as a process of its own.
func again(t *testing.T, script, variable string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-c", script, os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), variable)
	if text, err := command.CombinedOutput(); err != nil || bytes.Contains(text, []byte("no tests to run")) {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		must(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	for name, c := range map[string]struct {
		file, arg string
		want      error
	}{
		"no such file":           {filepath.Join(folder, "nowhere"), "", syscall.ENOENT},
		"no program":             {file("text", "rubbish\n", 0o700), "", syscall.ENOEXEC},
		"not executable":         {file("data", "#!/bin/sh\n", 0o600), "", syscall.EACCES},
		"a folder":               {folder, "", syscall.EACCES},
		"in a file":              {file("plain", "", 0o600) + "/x", "", syscall.ENOTDIR},
		"an argument too large":  {"/bin/true", strings.Repeat("x", 1<<18), syscall.E2BIG},
		"a zero byte":            {"/bin/true", "a\x00b", syscall.EINVAL},
		"a zero byte in a name":  {"/bin/tr\x00ue", "", syscall.EINVAL},
		"no interpreter for it":  {file("script", "#!/nowhere/sh\n", 0o700), "", syscall.ENOENT},
		"nothing that is wrong":  {"/bin/true", "", nil},
		"a program that returns": {"/bin/false", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, s := range ways() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					p, err := s.Start(spawn.Command{File: c.file, Args: []string{c.file, c.arg}, Descriptors: []int{0, 1, 2}})
					if err == nil {
						status := wait(t, p)
						if err = p.Failure(); err != nil && status.ExitStatus() != 127 {
							t.Errorf("status %#x", status)
						}
					}
					if !errors.Is(err, c.want) {
						t.Errorf("got %v, want %v", err, c.want)
					}
				})
			}
		})
	}
}

// TestBadCommand: what is wrong with a command is no fault of the system.
func TestBadCommand(t *testing.T) {
	t.Parallel()
	s := &spawn.Starter{}
	shell(t, s, "", nil)
	before := s.Unable()
	if _, err := s.Start(spawn.Command{File: "/bin/true", Args: []string{"a\x00b"}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a zero byte: %v", err)
	}
	if s.Unable() != before {
		t.Error("processes are started in another way from now on")
	}
}

// TestTerminatedAtOnce: the group is there as soon as the process is, and a signal to it ends the process,
// whether that has executed its file by then or not.
func TestTerminatedAtOnce(t *testing.T) {
	t.Parallel()
	for name, s := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 100 {
				p, err := s.Start(spawn.Command{File: "/bin/sleep", Args: []string{"sleep", "60"}, Descriptors: []int{0, 1, 2}})
				must(t, err)
				must(t, syscall.Kill(-p.Pid, syscall.SIGTERM))
				if status := wait(t, p); !status.Signaled() || status.Signal() != syscall.SIGTERM || p.Failure() != nil {
					t.Fatalf("status %#x, failure %v", status, p.Failure())
				}
			}
		})
	}
}

// TestMany: what many processes are given reaches each of them whole, while memory is collected
// and used again all the time, and nothing is left open.
func TestMany(t *testing.T) { //nolint:paralleltest // what others open would be counted
	for name, s := range ways() { //nolint:paralleltest // the same
		t.Run(name, func(t *testing.T) {
			shell(t, s, "", nil) // what is opened once is open
			before := openFiles(t)
			done := make(chan struct{})
			var collector, starters sync.WaitGroup
			collector.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						runtime.GC()
					}
				}
			})
			for n := range 8 {
				starters.Go(func() {
					for i := range 25 {
						text := strings.Repeat(fmt.Sprintf("%d-%d ", n, i), 500)
						if got := shell(t, s, `echo "$1"`, []string{text}); got != text+"\n" {
							t.Errorf("got %.40q…, want %.40q…", got, text)
						}
					}
				})
			}
			starters.Wait()
			close(done)
			collector.Wait()
			if after := openFiles(t); after != before {
				t.Errorf("%d open files, %d before", after, before)
			}
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// TestSandbox: where clone3(2) is unknown, processes are started as ever.
func TestSandbox(t *testing.T) {
	t.Parallel()
	if os.Getenv("SPAWN_TEST_SANDBOX") == "" {
		again(t, `exec "$0" "$@"`, "SPAWN_TEST_SANDBOX=1")
		return
	}
	refuse(t, unix.SYS_CLONE3, unix.ENOSYS)
	s := &spawn.Starter{}
	for range 2 {
		if got := shell(t, s, "echo well", nil); got != "well\n" {
			t.Errorf("printed %q", got)
		}
	}
	if !s.Unable() {
		t.Error("clone3 is not refused")
	}
	if _, err := s.Start(spawn.Command{File: "/nowhere", Args: []string{"x"}}); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("no such file: %v", err)
	}
}

// refuse has this process get an error from a system call, seccomp(2).
func refuse(t *testing.T, number uint32, failure syscall.Errno) {
	t.Helper()
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number is the first word of struct seccomp_data
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(failure)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must(t, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	must(t, install(&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}))
}
