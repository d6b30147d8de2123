package vpn_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// setting reads a number from the environment: MODEL_SEQUENCES is how many random
// sequences TestModel tries, MODEL_REAL how many TestModelOnRealHost, MODEL_SEED the
// first of their seeds.
func setting(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// views is from how many nodes a sequence is seen: the first leads in the beginning.
const views = 3

// sequence makes the data of a random list of ops.
func sequence(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, (5+random.IntN(30))*opSize)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// TestModel lets random things happen to a simulated host, and compares it, after
// each of them, with what it has to be.
func TestModel(t *testing.T) {
	t.Parallel()
	const lanes = 4
	sequences, first := setting(t, "MODEL_SEQUENCES", 100), setting(t, "MODEL_SEED", 0)
	for lane := range lanes {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			dir := memoryDir(t)
			for i := lane; i < sequences; i += lanes {
				seed := first + i
				for self := 1; self <= views; self++ {
					if !simModel(dir, self, seed%3 == 0).try(t, decode(sequence(uint64(seed)))) {
						t.Fatalf("again: MODEL_SEQUENCES=1 MODEL_SEED=%d go test ./vpn -run 'TestModel$'", seed)
					}
				}
			}
		})
	}
}

// FuzzModel is TestModel with sequences that a fuzzer thinks of.
func FuzzModel(f *testing.F) {
	for seed := range uint64(3) {
		f.Add(byte(seed), sequence(seed))
	}
	f.Fuzz(func(t *testing.T, how byte, data []byte) {
		simModel(memoryDir(t), 1+int(how)%views, how >= 128).try(t, decode(data))
	})
}

// memoryDir returns a directory for files that are written often, and with care: a
// disk takes its time for that.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "model") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// model is how trials begin.
type model struct {
	self    int  // the node whose host it is
	adopted bool // another tool has set it up
	conf    string
	host    func() modelHost
}

func simModel(dir string, self int, adopted bool) model {
	conf := filepath.Join(dir, "wg0.conf")
	return model{self: self, adopted: adopted, conf: conf, host: func() modelHost { return newSimHost(conf) }}
}

// attempt makes one trial.
func (m model) attempt(ctx context.Context, ops []op) (*trial, error) {
	mustWrite(m.conf, nil)
	tr := newTrial(ctx, m.host(), m.conf, m.self)
	if m.adopted {
		tr.setUpByOthers()
	}
	return tr, tr.live(ops)
}

// try fails the test with the shortest sequence that it finds to fail.
func (m model) try(t *testing.T, ops []op) bool {
	t.Helper()
	tr, err := m.attempt(t.Context(), ops)
	if err == nil {
		return true
	}
	shorten(ops, func(shorter []op) bool {
		shorterTrial, shorterErr := m.attempt(t.Context(), shorter)
		if shorterErr != nil {
			tr, err, ops = shorterTrial, shorterErr, shorter
		}
		return shorterErr != nil
	})
	t.Errorf("node %d, set up by others: %v\n  %s\n%v\nops: %v", m.self, m.adopted, strings.Join(tr.log, "\n  "), err, ops)
	return false
}

// shorten drops ops, first many together, as long as what is left fails.
func shorten(ops []op, fails func([]op) bool) {
	for size := len(ops) / 2; size > 0; {
		shorter := false
		for at := 0; at+size <= len(ops); {
			without := append(append([]op{}, ops[:at]...), ops[at+size:]...)
			if fails(without) {
				ops, shorter = without, true
			} else {
				at += size
			}
		}
		if !shorter || size > 1 {
			size /= 2
		}
	}
}
