package protocol

import (
	"os"
	"path/filepath"
	"syscall"
)

// gate is where steps wait until the test lets them go on: a FIFO, whose
// opening for reading takes until somebody has it open for writing.
type gate struct {
	n    *node
	path string
	held *os.File // open: nobody has to wait
}

// gate makes a closed one.
func (n *node) gate() *gate {
	n.t.Helper()
	g := &gate{n: n, path: filepath.Join(n.dir, "gate")}
	must(n.t, syscall.Mkfifo(g.path, 0o600))
	n.t.Cleanup(g.close)
	return g
}

// wait is the line of a script that waits at the gate.
func (g *gate) wait() string { return ": <" + g.path }

// open lets all steps go on, those that come later, too.
func (g *gate) open() {
	g.n.t.Helper()
	if g.held != nil {
		return
	}
	held, err := os.OpenFile(g.path, os.O_RDWR, 0)
	must(g.n.t, err)
	g.held = held
}

// close makes those wait that come from now on.
func (g *gate) close() {
	g.n.t.Helper()
	if g.held != nil {
		must(g.n.t, g.held.Close())
		g.held = nil
	}
}
