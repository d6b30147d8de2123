package main

import (
	"strings"
	"testing"
)

func TestAgentIDs(t *testing.T) {
	t.Parallel()
	const shapes, names, patterns = "must be cluster, node/N", "must be printable ASCII", "patterns to Redis"
	for id, want := range map[string]string{
		"cluster": "", "node/1": "", "node/120": "", "node/2147483647": "",
		"module/mail1": "", "module/nethvoice-proxy1": "", "module/web_server.2": "", "module/1": "", "module/a:b@c{d}": "",

		"node": shapes, "node/": shapes, "node/0": shapes, "node/01": shapes, "node/-1": shapes, "node/+1": shapes,
		"node/one": shapes, "node/1/2": shapes, "node/2147483648": shapes, "node/1.0": shapes,
		"module": shapes, "module/": shapes, "module/mail1/": shapes, "module//mail1": shapes, "module/mail1/x": shapes,
		"cluster/": shapes, "cluster/1": shapes, "Cluster": shapes, "nod/1": shapes, "mail1": shapes, "/": shapes, "/node/1": shapes,

		" ": names, "node/1 ": names, " node/1": names, "module/my mail": names, "module/mail\n": names, "module/\x00": names,
		"module/\x1b[31m": names, "module/posta-è": names, "module/\xff": names, "module/mail\u00a01": names,

		"*": patterns, "module/*": patterns, "module/mail?": patterns, "module/[ab]": patterns, `module/a\b`: patterns, "module/]": patterns,
	} {
		err := checkAgentID(id)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", id, err, want)
		}
	}
}
