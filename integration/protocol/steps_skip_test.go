package protocol

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// pipe makes a named pipe below the node's folder.
func (n *node) pipe(path string) {
	n.t.Helper()
	must(n.t, syscall.Mkfifo(n.path(path), 0o755))
}

// skips wants the step 20 of action a to have been skipped, and said so.
func (r report) skips(p *process) {
	r.t.Helper()
	r.goesWell("10\n30\n").tells("pending 0, running 0, running 33, running 66, running 100, completed 100")
	const line = "Action a skipped step 20: "
	if !strings.HasPrefix(r.errput, line) || strings.Count(r.errput, "\n") != 1 {
		r.t.Errorf("error is %q, want one line %s…", r.errput, line)
	}
	p.shows(r.t, line)
	for logged := range strings.Lines(p.stderr.String()) {
		if strings.HasPrefix(logged, "<4>") && strings.Contains(logged, line) {
			return
		}
	}
	r.t.Errorf("no warning in the log says %q", line)
}

// Rule (section 3): "A step that cannot be started at its turn
// (gone, not executable, bad format) is skipped: warning `Action A skipped step S: …`, in the log and in the task's `error`,
// counted as done."
func TestStepSkipped(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*node){
		"gone": func(n *node) {
			n.step("a/10", "echo 10; rm ../actions/a/20")
			n.step("a/20", "echo never")
		},
		"gone with its folder": func(n *node) {
			n.step("a/20", "echo never")
			n.step("a/10", "echo 10; mv ../actions/a ../actions/b; mkdir ../actions/a; cp ../actions/b/30 ../actions/a/30")
		},
		"not executable":         func(n *node) { n.file("actions/a/20", 0o644, "#!/bin/sh\necho never\n") },
		"no longer executable":   func(n *node) { n.step("a/10", "echo 10; chmod 644 ../actions/a/20"); n.step("a/20", "echo never") },
		"text without #!":        func(n *node) { n.file("actions/a/20", 0o755, "echo never\n") },
		"empty":                  func(n *node) { n.file("actions/a/20", 0o755, "") },
		"binary rubbish":         func(n *node) { n.file("actions/a/20", 0o755, "\x7fELF\x00\xff\x00rubbish") },
		"interpreter is missing": func(n *node) { n.file("actions/a/20", 0o755, "#!/no/such/interpreter\n") },
		"interpreter is a folder": func(n *node) {
			n.file("actions/a/20", 0o755, "#!/\n")
		},
		"dangling link": func(n *node) { must(n.t, os.Symlink(n.path("nowhere"), n.path("actions/a/20"))) },
		"link to itself": func(n *node) {
			must(n.t, os.Symlink("20", n.path("actions/a/20")))
		},
		"turned into a folder": func(n *node) {
			n.step("a/10", "echo 10; rm ../actions/a/20; mkdir ../actions/a/20")
			n.step("a/20", "echo never")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.step("a/10", "echo 10")
			n.step("a/30", "echo 30")
			spoil(n)
			p := n.start(nil)
			n.client(t).run("a", "").skips(p)
		})
	}
}

// A link to an executable is a step; one to a folder is none, as a folder is none.
func TestStepLinks(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.file("elsewhere/tool", 0o755, "#!/bin/sh\nbasename $0\n")
	n.step("a/10", "echo 10")
	must(t, os.Symlink("../../elsewhere/tool", n.path("actions/a/20")))
	must(t, os.Symlink("../../elsewhere", n.path("actions/a/30")))
	c.run("a", "").goesWell("10\n20\n").errs("")
}

// A program that is being written cannot be started (ETXTBSY). It is skipped as
// any other that cannot, if that lasts; the action goes on.
func TestStepIsBeingWritten(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.step("a/10", "echo 10")
	n.step("a/20", "echo never")
	n.step("a/30", "echo 30")
	p := n.start(nil)
	writer, err := os.OpenFile(n.path("actions/a/20"), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	r := n.client(t).run("a", "")
	must(t, writer.Close())
	r.skips(p)
	if !strings.Contains(r.errput, "text file busy") {
		t.Errorf("error is %q", r.errput)
	}
}

// A step that is replaced while it runs goes on as it was; one that is replaced
// before its turn runs as it is then.
func TestStepReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", "printf '#!/bin/sh\\necho new\\n' >../new; chmod 755 ../new; cp -p ../new ../actions/a/20\n"+
		"cp -p ../new ../actions/a/.; mv ../actions/a/new ../actions/a/10; echo old")
	n.step("a/20", "echo old")
	c.run("a", "").goesWell("old\nnew\n")
	c.run("a", "").goesWell("new\nnew\n")
}
