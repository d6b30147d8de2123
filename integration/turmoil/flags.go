package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const examples = `
Examples:
  make chaos-cluster                                  100 schedules, with new seeds
  make chaos-cluster ARGS='-seed 4711 -schedules 1'   one of them again
  make chaos-cluster ARGS='-seed 4711 -print'         only print them
`

// options are the flags.
type options struct {
	seed      uint64 // of the first schedule; the next has the next number
	schedules int
	nodes     int
	silences  []time.Duration // AGENT_LEADER_SILENCE of each schedule is one of these; 0: its default
	most      time.Duration   // longest fault
	minutes   int
	programs  string
	dir       string
	slow      time.Duration // logs are also kept of what took longer to heal; 0: only of failures
	print     bool
}

// parse reads the flags; what is wrong with them has been told.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("turmoil", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&o.seed, "seed", 0, "what the first schedule is drawn from; the next one from the next number; 0: a new one, which is printed")
	flags.IntVar(&o.schedules, "schedules", 100, "how many")
	flags.IntVar(&o.nodes, "nodes", 5, "of the cluster; all but the last can lead")
	var silence time.Duration
	flags.DurationVar(&silence, "silence", 5*time.Second, "AGENT_LEADER_SILENCE of four schedules of five; the fifth has its default")
	flags.DurationVar(&o.most, "most", 12*time.Second, "no fault lasts longer")
	flags.IntVar(&o.minutes, "minutes", 180, "end after so many minutes, which is a failure")
	flags.StringVar(&o.programs, "programs", "build", "directory of the programs under test")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "make the folder for logs of what failed here")
	flags.DurationVar(&o.slow, "slow", 0, "keep logs also of what took longer to heal; 0: only of what failed")
	flags.BoolVar(&o.print, "print", false, "print the schedules and do nothing")
	flags.Usage = func() { help(stderr, flags) }
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.silences = []time.Duration{0, silence, silence, silence, silence}
	if err := o.check(flags.Args()); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	var err error
	o.programs, err = filepath.Abs(o.programs)
	return o, err
}

// leastSilence is what the node agent accepts.
const leastSilence = 5 * time.Second

func (o options) check(rest []string) error {
	_, err := os.Stat(filepath.Join(o.programs, "agent"))
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.schedules < 1 || o.minutes < 1 || o.nodes < 4 || o.nodes > 20:
		return errors.New("-schedules and -minutes are at least 1, -nodes is 4 to 20")
	case o.silences[1] < leastSilence || o.most < time.Second:
		return fmt.Errorf("-silence is at least %v, -most 1s", leastSilence)
	case err != nil && !o.print:
		return fmt.Errorf("the agent: %w (make build builds it)", err)
	}
	return nil
}

func help(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprint(w, `turmoil proves that a cluster comes through promotions that are disturbed, and heals by
itself within a minute. It ends with 0 if that is so, with 1 if not, and then names the
seeds, and where all logs are. It needs root.

Usage: turmoil [flags]

`)
	flags.PrintDefaults()
	fmt.Fprint(w, "\nFaults:\n")
	for _, line := range meaning() {
		fmt.Fprintf(w, "  %-18s %s\n", line[0], line[1])
	}
	fmt.Fprint(w, examples)
}
