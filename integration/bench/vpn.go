package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
)

// vpnSizes are the numbers of peers that the VPN is measured with.
func vpnSizes() []int { return []int{3, 253, 2000, 10000} }

func vpnCase(peers int) string { return fmt.Sprintf("VPN, %d peers", peers) }

// vpnOptions is what the part of the program in its namespaces is told.
type vpnOptions struct {
	rounds   int
	programs string // directory of the programs
	profile  string // of the runs inside one process; empty: none
	only     *regexp.Regexp
}

func (o vpnOptions) args() []string {
	return []string{vpnRole, strconv.Itoa(o.rounds), o.programs, o.profile, o.only.String()}
}

func parseVPNOptions(args []string) (o vpnOptions, err error) {
	if len(args) != 4 {
		return o, fmt.Errorf("%s takes 4 arguments, not %d", vpnRole, len(args))
	}
	o.programs, o.profile = args[1], args[2]
	if o.rounds, err = strconv.Atoi(args[0]); err != nil {
		return o, err
	}
	o.only, err = regexp.Compile(args[3])
	return o, err
}

// sizes are those that are asked for.
func (o vpnOptions) sizes() []int {
	var sizes []int
	for _, peers := range vpnSizes() {
		if o.only.MatchString(vpnCase(peers)) {
			sizes = append(sizes, peers)
		}
	}
	return sizes
}

// benchVPN measures the VPN. The runs change addresses, routes and files at their
// real places, so they take place in namespaces of their own, which end with them.
func benchVPN(ctx context.Context, o vpnOptions) error {
	if len(o.sizes()) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("the VPN needs root for namespaces: choose other cases with -only")
	}
	var err error
	if o.programs, err = filepath.Abs(o.programs); err != nil {
		return err
	}
	if o.profile != "" {
		if o.profile, err = filepath.Abs(o.profile); err != nil {
			return err
		}
	}
	self := exec.CommandContext(ctx, "/proc/self/exe", o.args()...)
	self.Stdout, self.Stderr = os.Stdout, os.Stderr
	self.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL, // and with the first process of a PID namespace all others
	}
	return self.Run()
}

// runVPN is the part inside the namespaces.
func runVPN(ctx context.Context, args []string) (err error) {
	o, err := parseVPNOptions(args)
	if err != nil {
		return err
	}
	s, err := newVPNStage(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	printVPNHead(o.rounds)
	for _, peers := range o.sizes() {
		table, err := s.measure(ctx, peers)
		if err != nil {
			return fmt.Errorf("%s: %w", vpnCase(peers), err)
		}
		printVPN(peers, table)
	}
	return nil
}
