package setup

import (
	"slices"
	"strings"
	"testing"
)

func TestEditConf(t *testing.T) {
	t.Parallel()
	done := "protected-mode no\nsave 5 1\nrepl-diskless-sync-delay 0\nrepl-backlog-size 64mb\nmasteruser node/1\nmasterauth \"s p\"\n"
	first := "aclfile /a\nport 6379\nbind 127.0.0.1 -::1\n"
	for _, test := range []struct {
		name, text, want string
		boot             bool
	}{
		{"empty, first time", "", first + done, true},
		{"empty, later", "", done, false},
		{"nothing to do", first + done, first + done, true},
		{"in place", "# a\nport 1\n#port 2\nprotected-mode yes # x\n", "# a\nport 1\n#port 2\nprotected-mode no\n" + tail(done), false},
		{"last of several counts", "masteruser a\nmasteruser b\nMasterAuth c\n" + done, "masteruser a\nmasteruser b\nMasterAuth c\n" + done, false},
		{"no final newline", "loglevel notice", "loglevel notice\n" + done, false},
		{"save nothing", "save \"\"\n" + strings.Replace(done, "save 5 1\n", "", 1), strings.Replace(done, "save 5 1\n", "", 1) + "save 5 1\n", false},
		{"save rarely", "save 900 1\nsave 300 10\n" + without(done, "save 5 1\n"), "save 900 1\nsave 300 10\n" + without(done, "save 5 1\n") + "save 5 1\n", false},
		{"save in one line", "save 900 1 4 1\n" + without(done, "save 5 1\n"), "save 900 1 4 1\n" + without(done, "save 5 1\n"), false},
		{"larger backlog", without(done, "repl-backlog-size 64mb\n") + "repl-backlog-size 1gb\n", without(done, "repl-backlog-size 64mb\n") + "repl-backlog-size 1gb\n", false},
		{"smaller backlog", "repl-backlog-size 1mb\n" + without(done, "repl-backlog-size 64mb\n"), "repl-backlog-size 64mb\n" + without(done, "repl-backlog-size 64mb\n"), false},
		{"open to all", "bind * -::*\n" + without(first, "bind 127.0.0.1 -::1\n") + done, "bind 127.0.0.1 -::1\n" + without(first, "bind 127.0.0.1 -::1\n") + done, true},
		{"chosen address", "bind 127.0.0.1 10.5.4.1\n" + without(first, "bind 127.0.0.1 -::1\n") + done, "bind 127.0.0.1 10.5.4.1\n" + without(first, "bind 127.0.0.1 -::1\n") + done, true},
		{"other ACL file", "aclfile /b\n" + without(first, "aclfile /a\n") + done, "aclfile /b\n" + without(first, "aclfile /a\n") + done, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			conf := parseConf(test.text)
			changed := editConf(conf, testSettings(), test.boot)
			if got := conf.String(); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			if (len(changed) > 0) != (test.text != test.want) {
				t.Errorf("says it changed %v", changed)
			}
			if again := editConf(conf, testSettings(), test.boot); len(again) > 0 {
				t.Errorf("second edit changed %v", again)
			}
		})
	}
}

func testSettings() []setting {
	r := &run{redisPort: "6379"}
	r.node.User, r.node.Password = "node/1", "s p"
	return r.settings("/a")
}

func without(text, line string) string { return strings.Replace(text, line, "", 1) }

// tail is all but the first line.
func tail(text string) string {
	_, rest, _ := strings.Cut(text, "\n")
	return rest
}

func TestSplitWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line string
		want []string
		ok   bool
	}{
		{"", nil, true},
		{" \t\r\n", nil, true},
		{"bind 127.0.0.1  -::1\r\n", []string{"bind", "127.0.0.1", "-::1"}, true},
		{`save ""`, []string{"save", ""}, true},
		{`a "b c" 'd "e"' f`, []string{"a", "b c", `d "e"`, "f"}, true},
		{`a "\x41\n\"\\" 'it\'s \n'`, []string{"a", "A\n\"\\", `it's \n`}, true},
		{`a "b`, nil, false},
		{`a "b"c`, nil, false},
	} {
		got, ok := splitWords(test.line)
		if ok != test.ok || !slices.Equal(got, test.want) {
			t.Errorf("%q: %q %v", test.line, got, ok)
		}
	}
}

// FuzzQuoteWord: what is written is read back, whatever else is in the line.
func FuzzQuoteWord(f *testing.F) {
	f.Add("plain")
	f.Add(" a\"b\\'\n\x00\xff")
	f.Fuzz(func(t *testing.T, word string) {
		line := confLine("masterauth", []string{word, "x"})
		got, ok := splitWords(line)
		if !ok || !slices.Equal(got, []string{"masterauth", word, "x"}) || strings.Count(line, "\n") != 1 {
			t.Errorf("%q was written as %q and read as %q", word, line, got)
		}
	})
}

func TestMemorySize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "67108864": 64 << 20, "64mb": 64 << 20, "64MB": 64 << 20, "1k": 1000, "1kb": 1024, "2g": 2e9, "1gb": 1 << 30, "7b": 7,
	} {
		if got, ok := memorySize(text); !ok || got != want {
			t.Errorf("%s: %d %v", text, got, ok)
		}
	}
	for _, bad := range []string{"", "mb", "x", "1tb", "1.5gb"} {
		if got, ok := memorySize(bad); ok {
			t.Errorf("%s: %d", bad, got)
		}
	}
}

func TestUnrestricted(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]bool{
		"on nopass sanitize-payload ~* &* +@all": true,
		"on nopass allkeys allcommands":          true,
		"on #00 ~* &* +@all":                     true,
		"on nopass ~* +@all -@admin":             false,
		"on nopass +@all nocommands +@read":      false,
		defaultRules:                             false,
		"off":                                    false,
	} {
		if got := (aclUser{"default", strings.Fields(rules)}).unrestricted(); got != want {
			t.Errorf("%s: %v", rules, got)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), Options{}); err == nil {
		t.Error("no error without services")
	}
	m := newMachine(t)
	m.opts.RedisAddress = "no port"
	if _, err := Run(t.Context(), m.opts); err == nil {
		t.Error("no error with a bad address")
	}
}
