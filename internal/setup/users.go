package setup

import (
	"slices"
	"strings"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
)

// aclUser is a user of Redis and its rules, the words after its name in an ACL
// file or in ACL SETUSER.
type aclUser struct {
	name  string
	rules []string
}

func (u aclUser) line() string {
	return "user " + u.name + " " + strings.Join(u.rules, " ") + "\n"
}

// Rules of the users that every node has, but for `on` and the password.
const (
	clusterRules   = "~* &* +@all"
	defaultRules   = "on nopass resetkeys ~cluster/* ~node/* ~module/* resetchannels &* nocommands +@read +@connection +subscribe +psubscribe -@admin"
	apiServerRules = "~* &* nocommands +@read +@pubsub +lpush +@transaction +@connection +role +hset"
)

func withPassword(name, password, rules string) aclUser {
	return aclUser{name, append([]string{"on", "#" + passwordHash(password)}, strings.Fields(rules)...)}
}

func clusterUser(password string) aclUser {
	return withPassword("cluster", password, clusterRules)
}

func defaultUser() aclUser {
	return aclUser{"default", strings.Fields(defaultRules)}
}

func apiServerUser(password string) aclUser {
	return withPassword("api-server", password, apiServerRules)
}

// nodeUser is the user of a node agent.
func nodeUser(id int, password string) aclUser {
	return aclUser{cluster.UserName(id), cluster.UserRules(id, passwordHash(password))}
}

// parseUsers reads the lines of an ACL file, or of ACL LIST; other lines are
// passed over.
func parseUsers(lines []string) []aclUser {
	var users []aclUser
	for _, line := range lines {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "user" {
			users = append(users, aclUser{words[1], words[2:]})
		}
	}
	return users
}

func findUser(users []aclUser, name string) (aclUser, bool) {
	i := slices.IndexFunc(users, func(u aclUser) bool { return u.name == name })
	if i < 0 {
		return aclUser{}, false
	}
	return users[i], true
}

// accepts says whether the password lets one in.
func (u aclUser) accepts(password string) bool {
	return slices.Contains(u.rules, "nopass") || slices.Contains(u.rules, "#"+passwordHash(password)) ||
		slices.Contains(u.rules, ">"+password)
}

// unrestricted says whether the user may run every command, as the default user
// of a Redis that nobody has set up: that one has to give way.
func (u aclUser) unrestricted() bool {
	all := false
	for _, rule := range u.rules {
		switch {
		case rule == "+@all" || rule == "allcommands":
			all = true
		case strings.HasPrefix(rule, "-") || rule == "nocommands" || rule == "reset":
			all = false
		}
	}
	return all
}

// userChange is a user to be written, and whether it stood there before.
type userChange struct {
	user    aclUser
	outcome host.Outcome
}

// planUsers compares the users there are with those a node needs: existing ones
// are kept, but for the unrestricted default.
func planUsers(have, need []aclUser) []userChange {
	plan := make([]userChange, 0, len(need))
	for _, user := range need {
		found, ok := findUser(have, user.name)
		outcome := host.Kept
		switch {
		case !ok:
			outcome = host.Created
		case user.name == "default" && found.unrestricted():
			outcome = host.Changed
		}
		plan = append(plan, userChange{user, outcome})
	}
	return plan
}

// applyUsers returns the users after the plan.
func applyUsers(have []aclUser, plan []userChange) []aclUser {
	users := slices.Clone(have)
	for _, change := range plan {
		switch change.outcome {
		case host.Created:
			users = append(users, change.user)
		case host.Changed:
			users = slices.DeleteFunc(users, func(u aclUser) bool { return u.name == change.user.name })
			users = append(users, change.user)
		case host.Kept:
		}
	}
	return users
}
