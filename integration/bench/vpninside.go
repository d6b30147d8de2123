package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"cluster-agent/internal/host"
	"cluster-agent/internal/memory"
	"cluster-agent/internal/node"
	"github.com/sirupsen/logrus"
)

const (
	vpnRole       = "run-vpn"
	vpnInsideRole = "run-inside"
)

// runInside is the part of the node agent that keeps the VPN, without the events
// that make it run: for each line on stdin it runs once, as the agent's loop does,
// and tells how many nanoseconds that took, how many changes there were, and how
// much memory the process has had at most, in KiB.
func runInside(ctx context.Context, profile string) (err error) {
	stop, err := startProfile(profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	go memory.Tend(ctx, os.Getenv("GOGC"))
	files := host.NewFiles("/")
	manager, err := host.DetectManager(files, host.Exec{})
	if err != nil {
		return err
	}
	log := logrus.New()
	log.SetOutput(os.Stderr)
	machine := &node.Machine{
		Files: files, Manager: manager, Runner: host.Exec{}, Resolver: net.DefaultResolver, Log: logrus.NewEntry(log),
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		began := time.Now()
		report, err := machine.Settle(ctx)
		took := time.Since(began)
		if err != nil {
			return err
		}
		peak, err := peakMemory(os.Getpid())
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, took.Nanoseconds(), len(report.Plan.Lines()), peak)
	}
	return nil
}

// insideProcess is the caller's side of runInside.
type insideProcess struct {
	cmd     *exec.Cmd
	ask     io.WriteCloser
	answers *bufio.Reader
}

func startInside(ctx context.Context, profile string) (*insideProcess, error) {
	p := &insideProcess{cmd: exec.CommandContext(ctx, "/proc/self/exe", vpnInsideRole, profile)} //nolint:gosec // the caller names the file
	p.cmd.Stderr = os.Stderr
	answers, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.ask, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.answers = bufio.NewReader(answers)
	return p, p.cmd.Start()
}

func (p *insideProcess) run() (r vpnRun, err error) {
	if _, err = io.WriteString(p.ask, "run\n"); err != nil {
		return r, err
	}
	line, err := p.answers.ReadString('\n')
	if err != nil {
		return r, fmt.Errorf("the process that runs inside ended: %w", err)
	}
	_, err = fmt.Sscan(line, &r.took, &r.changes, &r.memory)
	return r, err
}

func (p *insideProcess) end() error { return errors.Join(p.ask.Close(), p.cmd.Wait()) }

// peakMemory is the most a process has had resident, in KiB.
func peakMemory(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		}
	}
	return 0, errors.New("no VmHWM in /proc/PID/status")
}
