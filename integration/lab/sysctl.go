package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// bootSettings are what the kernel of a machine that just booted has, and new network
// namespaces may not: they take forwarding over from the machine.
func bootSettings() []string {
	return []string{
		"net.ipv4.ip_forward=0",
		"net.ipv6.conf.all.forwarding=0",
		// Detecting duplicate addresses takes a second, in which an address cannot be used.
		"net.ipv6.conf.all.accept_dad=0",
		"net.ipv6.conf.default.accept_dad=0",
	}
}

// bootSysctl resets the settings of this thread's network namespace.
func bootSysctl() error {
	settings := bootSettings()
	errs := make([]error, 0, len(settings))
	for _, s := range settings {
		errs = append(errs, setSysctl(s))
	}
	return errors.Join(errs...)
}

// setSysctl writes one "name=value" of the network settings; a leading "-" means that a
// failure is none, as in sysctl.d(5).
func setSysctl(setting string) error {
	name, value, ok := strings.Cut(setting, "=")
	if !ok {
		return fmt.Errorf("setting %q is not name=value", setting)
	}
	name, optional := strings.CutPrefix(strings.TrimSpace(name), "-")
	path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	err := os.WriteFile(path, []byte(strings.TrimSpace(value)), 0)
	if err == nil || optional {
		return nil
	}
	return fmt.Errorf("set %s: %w", name, err)
}

// nodeSettings are the network settings that the node's sysctl.d directories ask for at
// boot. Others are the machine's, and stay untouched.
func nodeSettings(files fs.FS) ([]string, error) {
	byName := map[string]string{}
	for _, dir := range []string{"usr/local/lib/sysctl.d", "etc/sysctl.d"} {
		matches, err := fs.Glob(files, dir+"/*.conf")
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", dir, err)
		}
		for _, path := range matches {
			byName[filepath.Base(path)] = path
		}
	}
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	var settings []string
	for _, name := range names {
		text, err := fs.ReadFile(files, byName[name])
		if err != nil {
			return nil, fmt.Errorf("read settings: %w", err)
		}
		settings = append(settings, networkSettings(text)...)
	}
	return settings, nil
}

func networkSettings(text []byte) []string {
	var settings []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(strings.TrimPrefix(line, "-"), "net.") {
			settings = append(settings, line)
		}
	}
	return settings
}
