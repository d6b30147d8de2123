package setup

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"cluster-agent/internal/host"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// changed tells whether anything was not merely kept.
func changed(report Report) bool {
	return slices.ContainsFunc(report.Lines(), func(line string) bool { return !strings.HasPrefix(line, "kept ") })
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o750))
	must(t, os.WriteFile(path, []byte(text), 0o640))
}

// machine is one below a temporary root, with a real Redis that a supervisor,
// the test, keeps running.
type machine struct {
	t       *testing.T
	files   host.Files
	address string
	opts    Options
	runAs   *syscall.Credential // of Redis; nil for this process's own
}

// newMachine has the configuration of a package's Redis, which does not run yet.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CANNOT RUN: needs redis-server")
		}
		t.Skip("SKIPPED: needs redis-server")
	}
	files := host.NewFiles(t.TempDir())
	account, err := user.Current()
	must(t, err)
	log := logrus.New()
	log.SetOutput(io.Discard)
	m := &machine{t: t, files: files, address: reservedAddress(t)}
	m.opts = Options{
		Files:        files,
		Services:     host.NewSupervised(files, host.Exec{}),
		RedisAddress: m.address,
		RedisUser:    account.Username,
		RedisTimeout: 10 * time.Second,
		Log:          logrus.NewEntry(log),
	}
	data := filepath.Join(files.Root(), "redis-data")
	must(t, os.Mkdir(data, 0o750))
	must(t, os.MkdirAll(filepath.Dir(files.PIDFile("x")), 0o750))
	put(t, files.HostsFile(), "127.0.0.1 localhost\n")
	fill := strings.NewReplacer("@DIR@", data, "@PORT@", m.port())
	put(t, files.RedisConf(), fill.Replace(content(t, "testdata/redis.conf")))
	return m
}

// reservedAddress is one of IPv4 that nobody else gets while the test runs, nor its port of IPv6, on which the
// package's Redis listens, too; also when Redis is away for its restart: the kernel gives no port out that is bound,
// yet lets who asks for it by number listen, as long as no one else does.
func reservedAddress(t *testing.T) string {
	t.Helper()
	for {
		port := reserve(t, syscall.AF_INET, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
		if reserve(t, syscall.AF_INET6, &syscall.SockaddrInet6{Addr: [16]byte(net.IPv6loopback), Port: port}) != 0 {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		}
	}
}

// reserve binds a port until the test ends; 0: somebody else has it. Of a family that the
// machine does not have, each port is free.
func reserve(t *testing.T, family int, address syscall.Sockaddr) (port int) {
	t.Helper()
	socket, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		return -1
	}
	must(t, err)
	t.Cleanup(func() { must(t, syscall.Close(socket)) })
	must(t, syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	switch err = syscall.Bind(socket, address); {
	case errors.Is(err, syscall.EADDRINUSE):
		return 0
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return -1
	}
	must(t, err)
	bound, err := syscall.Getsockname(socket)
	must(t, err)
	switch bound := bound.(type) {
	case *syscall.SockaddrInet4:
		return bound.Port
	case *syscall.SockaddrInet6:
		return bound.Port
	}
	t.Fatalf("bound to %T", bound)
	return 0
}

func (m *machine) port() string {
	_, port, err := net.SplitHostPort(m.address)
	must(m.t, err)
	return port
}

// appendConf adds lines to redis.conf.
func (m *machine) appendConf(lines ...string) {
	m.t.Helper()
	put(m.t, m.files.RedisConf(), content(m.t, m.files.RedisConf())+strings.Join(lines, "\n")+"\n")
}

// supervise runs Redis, again whenever it ends, until the returned function is
// called or the test ends.
func (m *machine) supervise() (stop func()) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			m.runRedis(ctx)
		}
	}()
	stop = func() { cancel(); <-done }
	m.t.Cleanup(stop)
	m.wait("listen", m.listens)
	m.wait("have its process noted", func() bool {
		text, err := os.ReadFile(m.files.PIDFile(host.RedisUnit))
		return err == nil && len(text) > 0
	})
	return stop
}

func (m *machine) runRedis(ctx context.Context) {
	cmd := exec.CommandContext(ctx, "redis-server", m.files.RedisConf(), "--daemonize", "no")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: m.runAs}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	log, err := os.OpenFile(filepath.Join(m.files.Root(), "redis.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		m.t.Error(err)
		return
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err = cmd.Start(); err != nil {
		m.t.Error(err)
		return
	}
	err = os.WriteFile(m.files.PIDFile(host.RedisUnit), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
	if err = errors.Join(err, ignoreExit(cmd.Wait())); err != nil && ctx.Err() == nil {
		m.t.Error(err)
	}
	select { // a Redis that cannot start is not started in a tight loop
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
}

func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}

// wait waits until Redis does something.
func (m *machine) wait(what string, does func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !does(); {
		if time.Now().After(deadline) {
			log := content(m.t, filepath.Join(m.files.Root(), "redis.log"))
			m.t.Fatalf("Redis does not %s: %s", what, log[max(0, len(log)-500):])
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (m *machine) listens() bool {
	m.t.Helper()
	conn, err := new(net.Dialer).DialContext(m.t.Context(), "tcp", m.address)
	if err != nil {
		return false
	}
	must(m.t, conn.Close())
	return true
}

// client logs in as an agent does.
func (m *machine) client(name, password string) *redis.Client {
	m.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: m.address, Username: name, Password: password, Protocol: 2, MaxRetries: -1})
	m.t.Cleanup(func() { must(m.t, client.Close()) })
	return client
}

// asCluster logs in with the cluster agent's credentials.
func (m *machine) asCluster() *redis.Client {
	m.t.Helper()
	credentials, err := m.files.Credentials(host.ClusterAgent)
	must(m.t, err)
	return m.client(credentials.User, credentials.Password)
}

func (m *machine) run() Report {
	m.t.Helper()
	report, err := Run(m.t.Context(), m.opts)
	if err != nil {
		m.t.Fatalf("%v\n%s\n%s", err, strings.Join(report.Lines(), "\n"), content(m.t, m.files.RedisConf()))
	}
	return report
}

// relative takes the root out of a report's lines.
func (m *machine) relative(report Report) string {
	return strings.ReplaceAll(strings.Join(report.Lines(), "\n"), m.files.Root(), "")
}

// pid is that of the Redis that runs.
func (m *machine) pid() string {
	m.t.Helper()
	return content(m.t, m.files.PIDFile(host.RedisUnit))
}
