package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// checkAddress wants HOST:PORT, and says what to write instead of what is not.
func checkAddress(text string) error {
	host, port, err := net.SplitHostPort(text)
	switch {
	case strings.ContainsFunc(host, notPrintable), strings.ContainsAny(text, "/@"):
		return errors.New("must be a host and a port, and nothing else: write for example 127.0.0.1:6379")
	case err != nil && strings.Count(text, ":") > 1:
		return errors.New("an IPv6 address has to be in brackets, with the port behind them: write for example [::1]:6379")
	case err != nil:
		return fmt.Errorf("the port is missing: write %s:6379", text)
	case host == "":
		return fmt.Errorf("the host is missing: write for example 127.0.0.1:%s", port)
	case strings.HasPrefix(text, "[") && !isIPv6(host):
		return errors.New("what is in brackets has to be an IPv6 address: write for example [::1]:6379")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("the port must be a number from 1 to 65535: write for example %s", net.JoinHostPort(host, "6379"))
	}
	return nil
}

func isIPv6(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Is6()
}
