package main

import (
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:6379": "", "cluster-leader:6379": "", "localhost:1": "", "redis.example.com.:65535": "",
		"[::1]:6379": "", "[fd00::1]:6379": "", "[fe80::1%eth0]:6379": "", "[::ffff:10.0.0.1]:6379": "", "host_1:6379": "",

		"127.0.0.1": "the port is missing: write 127.0.0.1:6379", "cluster-leader": "the port is missing: write cluster-leader:6379",
		"6379":  "the port is missing",
		":6379": "the host is missing: write for example 127.0.0.1:6379",

		"::1:6379": "has to be in brackets, with the port behind them: write for example [::1]:6379", "::1": "in brackets",
		"fd00::1:6379": "in brackets", "[::1]": "the port behind them", "[::1]6379": "the port behind them", "a:b:1": "in brackets",
		"[localhost]:6379": "has to be an IPv6 address", "[127.0.0.1]:6379": "has to be an IPv6 address", "[]:6379": "the host is missing",

		"127.0.0.1:": "a number from 1 to 65535: write for example 127.0.0.1:6379", "localhost:redis": "a number from 1",
		"localhost:0": "a number from 1", "localhost:65536": "a number from 1", "localhost:-1": "a number from 1",
		"localhost:+1": "a number from 1", "localhost:6379 ": "a number from 1", "[::1]:0": "write for example [::1]:6379",

		" localhost:6379": "nothing else", "local host:6379": "nothing else", "a\nb:6379": "nothing else",
		"user@localhost:6379": "nothing else", "/run/redis.sock:1": "nothing else", "redis://localhost:6379": "nothing else",
		"localhost:6379/0": "nothing else",
	} {
		err := checkAddress(address)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}
