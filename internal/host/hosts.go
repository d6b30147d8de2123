package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// SetHost gives the name exactly one line `ADDRESS NAME` in the hosts file and
// takes the name out of all other lines. Nothing else is touched.
func (f Files) SetHost(ctx context.Context, name string, addr netip.Addr) (Outcome, error) {
	if name == "" || strings.ContainsAny(name, " \t\r\n#") || !addr.IsValid() {
		return "", fmt.Errorf("set host %q to %v: not a name and an address", name, addr)
	}
	var outcome Outcome
	err := f.locked(ctx, "hosts", func() error {
		text, err := os.ReadFile(f.HostsFile())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		outcome, err = WriteFile(f.HostsFile(), []byte(setHostLine(string(text), name, addr)), Public())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("set host %s: %w", name, err)
	}
	return outcome, nil
}

// Host returns the address that the hosts file gives to the name, and false if
// there is none. The first line wins, as in the resolver.
func (f Files) Host(name string) (netip.Addr, bool, error) {
	text, err := os.ReadFile(f.HostsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return netip.Addr{}, false, nil
	}
	if err != nil {
		return netip.Addr{}, false, fmt.Errorf("look up host %s: %w", name, err)
	}
	addr, ok := lookupHost(string(text), name)
	return addr, ok, nil
}

func lookupHost(text, name string) (netip.Addr, bool) {
	for line := range strings.Lines(text) {
		address, names := parseHostLine(line)
		if !holdsName(names, name) {
			continue
		}
		if addr, err := netip.ParseAddr(address); err == nil {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// setHostLine is the pure edit behind SetHost.
func setHostLine(text, name string, addr netip.Addr) string {
	var out strings.Builder
	placed := false
	for line := range strings.Lines(text) {
		address, names := parseHostLine(line)
		switch {
		case !holdsName(names, name):
			out.WriteString(line)
		case !onlyName(names, name):
			out.WriteString(withoutName(line, name))
		case !placed:
			placed = true
			out.WriteString(hostLine(line, address, names, name, addr))
		}
	}
	if placed {
		return out.String()
	}
	return appendLine(out.String(), addr.String()+" "+name)
}

// hostLine is the one line of the name: the line as it stands if it says that
// already, or else with another address and the same comment and line ending.
func hostLine(line, address string, names []string, name string, addr netip.Addr) string {
	have, err := netip.ParseAddr(address)
	if err == nil && have == addr && len(names) == 1 {
		return line
	}
	_, rest := cutComment(line)
	if strings.HasPrefix(rest, "#") {
		rest = " " + rest
	}
	return addr.String() + " " + name + rest
}

// withoutName takes the name, and the space before it, out of a line that has
// other names too. The rest keeps its spacing; the first word is the address.
func withoutName(line, name string) string {
	body, rest := cutComment(line)
	var out strings.Builder
	for i, words := 0, 0; i < len(body); words++ {
		space := i
		for i < len(body) && isBlank(body[i]) {
			i++
		}
		word := i
		for i < len(body) && !isBlank(body[i]) {
			i++
		}
		if words > 0 && strings.EqualFold(body[word:i], name) {
			continue
		}
		out.WriteString(body[space:i])
	}
	return out.String() + rest
}

// parseHostLine returns the address of a line and its names, none if the line
// is empty or a comment.
func parseHostLine(line string) (address string, names []string) {
	body, _ := cutComment(line)
	fields := strings.FieldsFunc(body, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(fields) < 2 {
		return "", nil
	}
	return fields[0], fields[1:]
}

// cutComment splits a line before its comment or, without one, its line ending.
func cutComment(line string) (body, rest string) {
	if i := strings.IndexAny(line, "#\r\n"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, ""
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func holdsName(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func onlyName(names []string, name string) bool {
	for _, n := range names {
		if !strings.EqualFold(n, name) {
			return false
		}
	}
	return true
}

// appendLine adds a line with the line ending that the text uses, ending the
// last line first where it is not.
func appendLine(text, line string) string {
	ending := "\n"
	if strings.Contains(text, "\r\n") {
		ending = "\r\n"
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += ending
	}
	return text + line + ending
}
