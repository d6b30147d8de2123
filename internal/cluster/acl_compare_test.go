package cluster

import "testing"

func TestSameUser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"equal", "user n on #aa ~k +@read", "user n on #aa ~k +@read", true},
		{"nobody", "", "user n on", false},
		{"other password", "user n on #aa +@read", "user n on #bb +@read", false},
		{"other keys", "user n on ~a", "user n on ~b", false},
		{"off", "user n on", "user n off", false},
		{"more", "user n on +@read", "user n on +@read +get", false},
		{"loaded and set", "user n on #aa ~k", "user n on sanitize-payload #aa ~k", true},
		{"not checked", "user n on #aa", "user n on skip-sanitize-payload #aa", false},
		{
			"order of single commands",
			"user n -@all +@read +publish -client|kill -client|list +psync",
			"user n -@all +@read -client|list +psync -client|kill +publish", true,
		},
		{"order of categories", "user n +@all -@dangerous", "user n -@dangerous +@all", false},
		{"order round a category", "user n -get +@read", "user n +@read -get", false},
		{"order of one command", "user n +get -get", "user n -get +get", false},
		{"order of command and subcommand", "user n +client|list -client", "user n -client +client|list", false},
		{"other sign", "user n +get -set", "user n -get +set", false},
		{"order in a selector", "user n (~a +get +set) +ping", "user n (~a +set +get) +ping", true},
		{"in or out of a selector", "user n (~a +get +set)", "user n (~a +get) +set", false},
	} {
		if got := sameUser(c.a, c.b); got != c.same {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
