package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const examples = `
Examples:
  make chaos                               all of it, with a new seed
  make chaos ARGS='-seed 4711'             the same faults again
  make chaos ARGS='-seed 4711 -schedule'   only print them
  go run ./integration/chaos -tasks 2000 -faults 20 -only durable -v
                                           a short look at the first run
  go run ./integration/chaos -only emptied -keep
                                           the second run, and its logs are kept
`

// parse reads the flags; what is wrong with them has been told.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&o.seed, "seed", 0, "what the faults are drawn from; 0: a new one, which is printed")
	flags.IntVar(&o.tasks, "tasks", 20_000, "tasks of the first run; the others have a fifth of them")
	flags.IntVar(&o.faults, "faults", 200, "faults of the first run; the others have a fifth of them")
	flags.IntVar(&o.minutes, "minutes", 20, "end after so many minutes, which is a failure")
	flags.StringVar(&o.only, "only", "", "play one run: durable (the first), emptied (the second) or rolled (the third)")
	flags.StringVar(&o.agent, "agent", "build/agent", "the binary under test")
	flags.StringVar(&o.dir, "dir", "", "make the folder for all data here instead of in the usual place")
	flags.DurationVar(&o.interval, "interval", 500*time.Millisecond, "the agent's AGENT_POLLING_INTERVAL; an absence of Redis is 20 to 40 of them")
	flags.IntVar(&o.concurrency, "concurrency", 16, "the agent's MAX_CONCURRENCY")
	flags.BoolVar(&o.schedule, "schedule", false, "print the faults and do nothing")
	flags.BoolVar(&o.verbose, "v", isTerminal(os.Stderr), "tell of each fault as it happens; as on a terminal")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder of a good run, too")
	flags.Usage = func() { help(stderr, flags) }
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if err := o.check(flags.Args()); err != nil {
		return o, err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	o.again = again(o.seed, flags)
	o.path = os.Getenv("PATH") //nolint:forbidigo // a program of its own, whose steps need one
	var err error
	o.agent, err = filepath.Abs(o.agent)
	return o, err
}

// again is what has to be said for the same schedule.
func again(seed uint64, flags *flag.FlagSet) string {
	words := fmt.Sprintf("-seed %d", seed)
	flags.Visit(func(f *flag.Flag) {
		if slices.Contains([]string{"tasks", "faults", "interval", "concurrency", "only"}, f.Name) {
			words += fmt.Sprintf(" -%s %s", f.Name, f.Value)
		}
	})
	return words
}

func (o options) check(rest []string) error {
	_, err := os.Stat(o.agent)
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.tasks < 1 || o.faults < 1 || o.minutes < 1 || o.concurrency < 1:
		return errors.New("-tasks, -faults, -minutes and -concurrency are at least 1")
	case o.interval < 10*time.Millisecond:
		return errors.New("-interval is at least 10ms")
	case o.only != "" && !slices.Contains([]memoryOf{durable, emptied, rolled}, memoryOf(o.only)):
		return fmt.Errorf("-only is durable, emptied or rolled, not %q", o.only)
	case err != nil && !o.schedule:
		return fmt.Errorf("the agent: %w (make build builds it)", err)
	}
	return nil
}

func help(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprint(w, `chaos proves that the agent loses no task, runs none twice and leaves no client
waiting, whatever happens to it, to Redis and to the connections between them.
It ends with 0 if that is so, with 1 if not, and then says all it knows of the
tasks concerned and where the logs are.

Usage: chaos [flags]

`)
	flags.PrintDefaults()
	fmt.Fprint(w, "\nFaults:\n")
	for _, line := range meaning() {
		fmt.Fprintf(w, "  %-12s %s\n", line[0], line[1])
	}
	fmt.Fprint(w, examples)
}
