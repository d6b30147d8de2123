// Command bench measures the agent against its limits, in one run: a real
// redis-server, the agent as a process of its own, and beside it what the same
// machine does without an agent: os/exec alone, Redis alone, and asynq, a task
// queue for Go with an in-process handler. And the VPN: apply-vpn-routes and what
// the node agent does in its place, beside wg, ip and a look at Redis.
//
// It is a module of its own, so that asynq is no dependency of the project.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

func main() {
	if ran, err := runRole(context.Background(), os.Args[1:]); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	rounds := flag.Int("rounds", 3, "how often each case runs; the medians are printed")
	period := flag.Duration("period", 2*time.Second, "how long each case runs")
	programs := flag.String("programs", "../../build", "directory of the programs, as make build leaves them")
	only := flag.String("only", "", "run the cases whose name matches this regular expression")
	profile := flag.String("profile", "", "write a CPU profile of the agent with compiled-in steps to this file")
	vpnProfile := flag.String("vpn-profile", "", "write a CPU profile of the VPN's runs inside one process to this file")
	flag.Parse()
	ctx := context.Background()
	pattern, err := regexp.Compile(*only)
	if err == nil {
		err = bench(ctx, *rounds, *period, filepath.Join(*programs, "agent"), *profile, pattern)
	}
	if err == nil {
		err = benchVPN(ctx, vpnOptions{rounds: *rounds, programs: *programs, profile: *vpnProfile, only: pattern})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// runRole is this program as one of the processes that it starts of itself.
func runRole(ctx context.Context, args []string) (ran bool, err error) {
	switch {
	case len(args) == 5 && args[0] == agentRole:
		return true, runAgent(args[1], args[2], args[3], args[4]) //nolint:contextcheck // it ends with a signal
	case len(args) == 4 && args[0] == bareRole:
		return true, runBare(ctx, args[1], args[2], args[3])
	case len(args) > 0 && args[0] == vpnRole:
		return true, runVPN(ctx, args[1:])
	case len(args) == 2 && args[0] == vpnInsideRole:
		return true, runInside(ctx, args[1])
	}
	return false, nil
}

// result is what one case came to in one round.
type result struct {
	rate     float64       // per second
	p50, p99 time.Duration // from LPUSH to the final status
	cpu      time.Duration // of the agent, per task
	memory   int           // of the agent, resident, KiB
}

// measurement is a case of the table.
type measurement struct {
	name string
	run  func(ctx context.Context, period time.Duration) (result, error)
}

func bench(ctx context.Context, rounds int, period time.Duration, binary, profile string, only *regexp.Regexp) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	stage := &stage{}
	chosen := func(m measurement) bool { return only.MatchString(m.name) }
	if !slices.ContainsFunc(stage.cases(), chosen) {
		return nil
	}
	if stage, err = newStage(ctx, binary, profile); err != nil {
		return err
	}
	defer stage.close()
	cases := slices.DeleteFunc(stage.cases(), func(m measurement) bool { return !chosen(m) })
	results := make([][]result, len(cases))
	for range rounds {
		for i, c := range cases {
			r, err := c.run(ctx, period)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	fmt.Printf("medians of %d rounds of %v each\n\n", rounds, period)
	fmt.Printf("%-52s %10s %10s %10s %12s %9s\n", "case", "per s", "p50", "p99", "agent CPU", "agent RSS")
	for i, c := range cases {
		m := median(results[i])
		fmt.Printf("%-52s %10.0f %10s %10s %12s %9s\n", c.name, m.rate, show(m.p50), show(m.p99), show(m.cpu), showKiB(m.memory))
	}
	return nil
}

func show(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f ms", float64(d)/float64(time.Millisecond))
}

func showKiB(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1024)
}

func median(rs []result) result {
	return result{
		rate:   middle(rs, func(r result) float64 { return r.rate }),
		p50:    middle(rs, func(r result) time.Duration { return r.p50 }),
		p99:    middle(rs, func(r result) time.Duration { return r.p99 }),
		cpu:    middle(rs, func(r result) time.Duration { return r.cpu }),
		memory: middle(rs, func(r result) int { return r.memory }),
	}
}

func middle[T float64 | time.Duration | int](rs []result, of func(result) T) T {
	values := make([]T, len(rs))
	for i, r := range rs {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
