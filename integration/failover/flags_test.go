package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "agent"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"":                        "",
		"--nodes 3 --dead 0 -v":   "",
		"--nodes 2":               "--nodes is 3 to 30, not 2",
		"--nodes many":            "invalid argument",
		"--promotions -1":         "at least 0",
		"--home -1s":              "at least 0",
		"--frobnicate":            "unknown flag",
		"one":                     `unexpected argument "one"`,
		"--programs /nonexistent": "make build",
	} {
		o, err := parse(append([]string{"--programs", dir}, strings.Fields(line)...), &strings.Builder{})
		switch {
		case want == "" && (err != nil || o.seed == 0):
			t.Errorf("%q: %v, seed %d", line, err, o.seed)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %s", line, err, want)
		}
	}
	var said strings.Builder
	if _, err := parse([]string{"--help"}, &said); !errors.Is(err, pflag.ErrHelp) || !strings.Contains(said.String(), "Examples:") {
		t.Errorf("--help: %v\n%s", err, &said)
	}
}
