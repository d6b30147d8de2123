package addnode

import (
	"context"
	"fmt"

	"golang.org/x/mod/semver"

	"cluster-agent/worker"
)

// coreVersion refuses a node whose software differs from the leader's in major
// or minor version. A version that is no semver disables the check.
func (s steps) coreVersion(_ context.Context, c *worker.Call) error {
	joining := c.Get("core_version").String()
	theirs, ours := canonical(joining), canonical(s.version)
	if !semver.IsValid(theirs) || !semver.IsValid(ours) || semver.MajorMinor(theirs) == semver.MajorMinor(ours) {
		return nil
	}
	return c.Invalid(3, "core_version", joining, "core_version_mismatch",
		fmt.Errorf("the leader runs %s: bring both to the same version first", s.version))
}

// canonical adds the v that package semver wants.
func canonical(version string) string {
	if version != "" && version[0] != 'v' {
		return "v" + version
	}
	return version
}
