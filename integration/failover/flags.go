package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// Bounds of a cluster that can be measured: of three nodes, two are left without the leader.
const (
	leastNodes = 3
	mostNodes  = 30
)

// options are the flags.
type options struct {
	config

	json    string
	verbose bool
}

// config is what is measured, and on what.
type config struct {
	nodes      int
	promotions int
	dead       int           // rounds of each way to type the commands
	home       time.Duration // patience with an old leader that is to come home by itself
	calm       time.Duration // of pings before each promotion, to be held against those during it
	seed       uint64
	programs   string
}

const intro = `failover measures the change of the leader on a cluster of the lab: real Redis, real
WireGuard, real agents. While clients write, push tasks and ping,
  - each node in turn is promoted by the leader that is alive;
  - the leader is killed, and switch-leader is typed into the others, in random order:
    one after the other, and on all at once.
It ends with 0 if nothing was lost or doubled, else with 1. A time that was not reached
is no failure; the tables say so.

Usage: failover [flags]

`

const examples = `
Examples:
  make bench-failover                             all of it, some minutes
  make bench-failover ARGS='--promotions 5 --dead 0'
                                                  a short look at promotions
  make bench-failover ARGS='--promotions 0 --seed 4711'
                                                  only dead leaders, in the same order again
  build/failover --nodes 3 --json /tmp/failover.json
                                                  every single promotion, for other programs
`

// parse reads the flags; what is wrong with them is for the caller to tell.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := pflag.NewFlagSet("failover", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.SortFlags = false
	flags.IntVar(&o.nodes, "nodes", 5, "nodes of the cluster")
	flags.IntVar(&o.promotions, "promotions", 20, "promotions in a row, by turns to each node")
	flags.IntVar(&o.dead, "dead", 5, "dead leaders, for each way to type the commands")
	flags.DurationVar(&o.home, "home", 90*time.Second, "how long a leader of old may take to come home by itself, before switch-leader is typed there;\nonce that was necessary, it is typed at once")
	flags.DurationVar(&o.calm, "calm", 1500*time.Millisecond, "how long pings are measured without a promotion before each one, for comparison")
	flags.Uint64Var(&o.seed, "seed", 0, "what successors and orders are drawn from; 0: a new one, which is printed")
	flags.StringVar(&o.json, "json", "", "write all that was measured to this `FILE`")
	flags.StringVar(&o.programs, "programs", "", "`DIR` of the agent and the other programs (default: that of this one)")
	flags.BoolVarP(&o.verbose, "verbose", "v", isTerminal(os.Stderr), "tell of each step as it happens; as on a terminal")
	flags.Usage = func() { fmt.Fprint(stderr, intro, flags.FlagUsages(), examples) }
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	return o, o.check(flags.Args())
}

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.nodes < leastNodes || o.nodes > mostNodes:
		return fmt.Errorf("--nodes is %d to %d, not %d", leastNodes, mostNodes, o.nodes)
	case o.promotions < 0 || o.dead < 0:
		return fmt.Errorf("--promotions and --dead are at least 0, not %d and %d", o.promotions, o.dead)
	case o.home < 0 || o.calm < 0:
		return fmt.Errorf("--home and --calm are at least 0, not %s and %s", o.home, o.calm)
	}
	if o.programs == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the programs: %w", err)
		}
		o.programs = filepath.Dir(self)
	}
	var err error
	if o.programs, err = filepath.Abs(o.programs); err == nil {
		_, err = os.Stat(filepath.Join(o.programs, "agent"))
	}
	if err != nil {
		return fmt.Errorf("find the programs (make build builds them): %w", err)
	}
	return nil
}

// again is what has to be said for the same successors and orders.
func (c config) again() string {
	return "--nodes " + strconv.Itoa(c.nodes) + " --seed " + strconv.FormatUint(c.seed, 10)
}
