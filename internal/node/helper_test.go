package node

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"cluster-agent/internal/host"
	"cluster-agent/internal/redistest"
	"cluster-agent/vpn/vpntest"
)

func TestMain(m *testing.M) {
	logging.Disable() // a Redis that is off says nothing that a test does not see
	// A pool that was closed while its Redis was off notices within a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

// services notes what it is asked for, and does nothing: no unit and no
// interface of the machine that runs the tests is touched.
type services struct {
	mu    sync.Mutex
	asked []string
}

var _ host.Manager = (*services)(nil)

func (s *services) note(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
	return nil
}

func (s *services) Restart(_ context.Context, unit string) error { return s.note("restart " + unit) }

func (s *services) RequestRestart(_ context.Context, unit string) error {
	return s.note("request restart " + unit)
}
func (s *services) Enable(_ context.Context, unit string) error { return s.note("enable " + unit) }
func (s *services) Reload(context.Context) error                { return s.note("reload") }
func (s *services) WGUp(context.Context) error                  { return s.note("wg up") }
func (s *services) WGDown(context.Context) error                { return s.note("wg down") }
func (s *services) WGRestart(context.Context) error             { return s.note("wg restart") }
func (s *services) WGEnable(context.Context) error              { return s.note("wg enable") }

func (s *services) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.asked, ", ")
}

// quietLog drops everything.
func quietLog() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return logrus.NewEntry(log)
}

// newMachine is node id below a directory of the test, with a Redis of its own.
func newMachine(t *testing.T, id int) (*Machine, *redistest.Server, *services) {
	t.Helper()
	server := redistest.Start(t)
	files := host.NewFiles(t.TempDir())
	server.Prepare(files, id)
	manager := &services{}
	return &Machine{
		Files: files, Manager: manager, Runner: host.Exec{},
		Resolver: vpntest.Names{}, Log: quietLog(),
	}, server, manager
}
