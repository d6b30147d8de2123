package vpn_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"cluster-agent/vpn/userspace"
)

// TestMain lets the test binary be the engine that wg-quick starts.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == userspace.Name {
		os.Exit(userspace.Main(context.Background(), os.Args[1:], os.Stderr))
	}
	goleak.VerifyTestMain(m)
}
