package script_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStep measures steps that do nothing, one after another and 8 at once,
// beside what package os/exec needs to run the same program with its output
// alone. self-µs is the CPU time of this process, child-µs that of the
// programs, both for one step.
func BenchmarkStep(b *testing.B) {
	c := newCaller(b, `{"a":1}`)
	content := "REDIS_ADDRESS=127.0.0.1:6379\nMODULE_ID=m1\nNODE_ID=1\nIMAGE_URL=registry/image:1.0\n"
	if err := os.WriteFile(filepath.Join(c.dir, "environment"), []byte(content), 0o600); err != nil {
		b.Fatal(err)
	}
	step := func() error { return c.runner.Run(b.Context(), program, c.call) }
	for _, at := range []int{1, 8} {
		b.Run(fmt.Sprint("step/", at), func(b *testing.B) { atOnce(b, at, step) })
		b.Run(fmt.Sprint("exec/", at), func(b *testing.B) { atOnce(b, at, runWithExec) })
	}
}

func runWithExec() error {
	cmd := exec.Command(program) //nolint:noctx // as plain as can be
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err = cmd.Start(); err != nil {
		return err
	}
	if _, err = io.Copy(io.Discard, output); err != nil {
		return err
	}
	return cmd.Wait()
}

// atOnce has n goroutines do it.
func atOnce(b *testing.B, n int, do func() error) {
	b.Helper()
	b.ReportAllocs()
	turns := make(chan struct{})
	var working sync.WaitGroup
	for range n {
		working.Go(func() {
			for range turns {
				if err := do(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	self, children := cpu(b, syscall.RUSAGE_SELF), cpu(b, syscall.RUSAGE_CHILDREN)
	for b.Loop() {
		turns <- struct{}{}
	}
	close(turns)
	working.Wait()
	each := func(spent time.Duration) float64 { return float64(spent.Nanoseconds()) / 1e3 / float64(b.N) }
	b.ReportMetric(each(cpu(b, syscall.RUSAGE_SELF)-self), "self-µs/op")
	b.ReportMetric(each(cpu(b, syscall.RUSAGE_CHILDREN)-children), "child-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
}

func cpu(b *testing.B, who int) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(who, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
