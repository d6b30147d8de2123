package main

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStartsFast: what makes the start of a program slow is not linked. A clock
// would not tell on a busy machine.
func TestStartsFast(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	slow := map[string]string{
		// Its initialization reads the metaschemas of five drafts, in 3 ms.
		"github.com/santhosh-tekuri/jsonschema/": "",
		// Templates may name any method of any type, so that all are linked; cobra has
		// some, which are not linked unless they are used.
		"text/template.(*Template).Execute": "",
		// Each is a part of the agent, none of this program.
		"golang.zx2c4.com/wireguard/device.": "",
		"cluster-agent/worker/script.":       "",
		"net/http.":                          "",
	}
	work := false
	for _, symbol := range symbols {
		for part := range slow {
			if strings.HasPrefix(symbol.Name, part) {
				slow[part] = symbol.Name
			}
		}
		work = work || strings.HasPrefix(symbol.Name, "cluster-agent/internal/node.(*Machine).ApplyRoutes")
	}
	for part, symbol := range slow {
		if symbol != "" {
			t.Errorf("%s is linked: %s", part, symbol)
		}
	}
	if !work {
		t.Error("the names in the program do not tell what is linked")
	}
}
