package protocol

import (
	"os"
	"path/filepath"
)

// want compares one part of a task's record.
func (n *node) want(id, part, want string) {
	n.t.Helper()
	if got := n.get(id, part); got != want {
		n.t.Errorf("%s of task %s is %q, want %q", part, id, got, want)
	}
}

// give hands a task over with data, and waits for its final status.
func (n *node) give(id, action string, data any) {
	n.t.Helper()
	finished := n.watch(id)
	n.push(map[string]any{"id": id, "action": action, "data": data})
	finished()
}

// read is the content of a file below the node's folder.
func (n *node) read(path string) string {
	n.t.Helper()
	content, err := os.ReadFile(filepath.Join(n.dir, path))
	must(n.t, err)
	return string(content)
}

// wantNothingInProgress wants no list but that of waiting tasks to be left.
func (n *node) wantNothingInProgress() {
	n.t.Helper()
	if left := n.inProgress(); len(left) != 0 {
		n.t.Errorf("tasks are left in progress: %q", left)
	}
}

// inProgress are the lists of tasks in progress; a list without tasks is none.
func (n *node) inProgress() []string {
	n.t.Helper()
	lists, err := n.redis.Admin().Keys(n.t.Context(), n.id+"/tasks/in-progress/*").Result()
	must(n.t, err)
	return lists
}

// wantNothingLeft wants no task to wait, either: one that has its result must
// not be run again.
func (n *node) wantNothingLeft() {
	n.t.Helper()
	n.wantNothingInProgress()
	if left := n.redis.Admin().LLen(n.t.Context(), n.id+"/tasks").Val(); left != 0 {
		n.t.Errorf("%d tasks wait", left)
	}
}
