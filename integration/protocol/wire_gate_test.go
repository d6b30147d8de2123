package protocol

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// gate is where steps wait until the test lets them go on: a FIFO, whose
// opening for reading takes until somebody opens it for writing.
type gate struct {
	n    *node
	path string
}

// gate makes a closed one.
func (n *node) gate() *gate {
	n.t.Helper()
	g := &gate{n: n, path: filepath.Join(n.dir, "gate")}
	must(n.t, syscall.Mkfifo(g.path, 0o600))
	return g
}

// wait is the line of a script that waits at the gate.
func (g *gate) wait() string { return ": <" + g.path }

// open lets all steps go on, those that come later, too.
func (g *gate) open() {
	g.n.t.Helper()
	fifo := g.path + ".fifo"
	must(g.n.t, os.Rename(g.path, fifo))
	must(g.n.t, os.WriteFile(g.path, nil, 0o600))
	writer, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return // nobody waits
	}
	must(g.n.t, err)
	must(g.n.t, writer.Close())
}
