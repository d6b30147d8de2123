package setup

import (
	"strconv"
	"strings"
)

// setting is one directive of Redis that a node needs.
type setting struct {
	name string
	// boot is set for those that only a first preparation touches, with the
	// restart that it needs: later they belong to who runs the cluster.
	boot bool
	// words is set if the value is several words and not one.
	words bool
	// want returns the value to have in place of the given one, the same to keep
	// it. Unset and empty are alike.
	want func(have string) string
}

// saveRule is what keeps a node id that was given out from being forgotten by
// a crash: one change is on disk 5 seconds later.
const saveRule = "5 1"

// loopback is where Redis listens before there is a VPN. The minus keeps it from
// failing where there is no IPv6.
const loopback = "127.0.0.1 -::1"

// backlogSize lets a replica that was away, for a reboot or while the leader
// changed, go on with a partial resync. The 1 MiB Redis has by default is soon
// overrun by task output, and the full resync that follows loses events.
const backlogSize = 64 << 20

// settings is all a node needs of its Redis.
func (r *run) settings(aclfile string) []setting {
	return []setting{
		{name: "aclfile", boot: true, want: orKeep(aclfile)},
		{name: "port", boot: true, want: exactly(r.redisPort)},
		{name: "bind", boot: true, words: true, want: notEverywhere},
		// The default user needs no password, which protected mode takes as a
		// reason to refuse the other nodes.
		{name: "protected-mode", want: exactly("no")},
		{name: "save", words: true, want: withSaveRule},
		// A full resync would wait 5 s for further replicas.
		{name: "repl-diskless-sync-delay", want: exactly("0")},
		{name: "repl-backlog-size", want: atLeast(backlogSize, "64mb")},
		{name: "masteruser", want: orKeep(r.node.User)},
		{name: "masterauth", want: orKeep(r.node.Password)},
	}
}

func exactly(value string) func(string) string {
	return func(string) string { return value }
}

func orKeep(value string) func(string) string {
	return func(have string) string {
		if have == "" {
			return value
		}
		return have
	}
}

func atLeast(bytes int64, value string) func(string) string {
	return func(have string) string {
		if size, ok := memorySize(have); ok && size >= bytes {
			return have
		}
		return value
	}
}

// memorySize reads 1048576, 1k, 64mb and the like.
func memorySize(text string) (int64, bool) {
	text = strings.ToLower(text)
	digits := strings.TrimRight(text, "bkmg")
	factor, known := map[string]int64{
		"": 1, "b": 1, "k": 1e3, "kb": 1 << 10, "m": 1e6, "mb": 1 << 20, "g": 1e9, "gb": 1 << 30,
	}[text[len(digits):]]
	size, err := strconv.ParseInt(digits, 10, 64)
	return size * factor, known && err == nil
}

// withSaveRule adds the rule, unless another saves as early.
func withSaveRule(have string) string {
	words := strings.Fields(have)
	for i := 0; i+1 < len(words); i += 2 {
		seconds, errSeconds := strconv.Atoi(words[i])
		changes, errChanges := strconv.Atoi(words[i+1])
		if errSeconds == nil && errChanges == nil && seconds <= 5 && changes <= 1 {
			return have
		}
	}
	return strings.TrimSpace(have + " " + saveRule)
}

// notEverywhere keeps chosen addresses. All addresses, which is also what Redis
// takes without the directive, would show the cluster to the internet: protected
// mode is off and the default user may read.
func notEverywhere(have string) string {
	for word := range strings.FieldsSeq(have) {
		switch strings.TrimPrefix(word, "-") {
		case "*", "0.0.0.0", "::", "::*":
			return loopback
		}
	}
	return orKeep(loopback)(have)
}

// editConf makes the directives of a configuration what the settings want, and
// returns the names of those it changed.
func editConf(conf *redisConf, settings []setting, withBoot bool) []string {
	var changed []string
	for _, s := range settings {
		if s.boot && !withBoot {
			continue
		}
		if editSetting(conf, s) {
			changed = append(changed, s.name)
		}
	}
	return changed
}

func editSetting(conf *redisConf, s setting) bool {
	if s.name == "save" {
		return editSave(conf, s)
	}
	have, _ := conf.get(s.name)
	value := s.want(have)
	switch {
	case value == have:
		return false
	case s.words:
		conf.set(s.name, strings.Fields(value)...)
	default:
		conf.set(s.name, value)
	}
	return true
}

// editSave: rules may stand in several lines, which all count, but for those
// before an empty one.
func editSave(conf *redisConf, s setting) bool {
	var rules []string
	for _, words := range conf.all("save") {
		rules = append(rules, words...)
		if len(words) == 1 && words[0] == "" {
			rules = nil
		}
	}
	have := strings.Join(rules, " ")
	if s.want(have) == have {
		return false
	}
	conf.drop("save", func(words []string) bool { return len(words) == 1 && words[0] == "" })
	conf.add("save", strings.Fields(saveRule)...)
	return true
}
