package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Usable says what this machine lacks for a lab, or nil.
func Usable() error {
	if os.Geteuid() != 0 {
		return errors.New("the lab makes network namespaces: it needs root")
	}
	var missing []string
	for program, debianPackage := range map[string]string{
		"redis-server": "redis-server", "redis-cli": "redis-tools", "wg": "wireguard-tools",
		"wg-quick": "wireguard-tools", "ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "setpriv": "util-linux",
	} {
		if !hasProgram(program) {
			missing = append(missing, debianPackage)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("the lab needs these packages: %s", strings.Join(slices.Compact(missing), " "))
	}
	if !exists("/dev/net/tun") && !exists("/sys/module/wireguard") {
		return errors.New("the lab needs WireGuard in the kernel, or /dev/net/tun for the userspace engine")
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// hasProgram looks where a node's processes will look.
func hasProgram(name string) bool {
	dirs := strings.TrimPrefix(nodePath, "PATH=")
	for _, dir := range filepath.SplitList(dirs) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}
