package protocol

import (
	"os"
	"testing"
)

// Rule (section 3): "| 8 | no such action, or no steps |"
func TestExitCodeUndefined(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	must(t, os.Mkdir(n.path("actions/empty"), 0o755))
	c.run("missing", "").ends("aborted", "8")
	c.run("empty", "").ends("aborted", "8")
}

// Rule (section 3): "every regular file of `DIR/<action>/` is a step, by its file name."
func TestStepsAreRegularFiles(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10file", "echo file")
	n.step("a/.hidden", "echo hidden")
	n.step("a/no order", "echo spaces")
	n.step("a/20folder/10inner", "echo inner")
	n.step("b/10", "echo the other")
	must(t, os.Mkdir(n.path("actions/a/30"), 0o755))
	n.pipe("actions/a/40pipe")
	c.run("a", "").goesWell("hidden\nfile\nspaces\n").errs("").tells(
		"pending 0, running 0, running 33, running 66, running 100, completed 100")
}

// Rule (section 3): "An action is a name and an ordered list of steps."
// Rule (section 3): "All are merged into one list ordered by name (byte order)"
func TestStepsAreOrderedByBytes(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	for _, name := range []string{"a", "é", "9", "B", "10", "Z", "_", "100", "1"} {
		n.step("a/"+name, "echo '"+name+"'")
	}
	c.run("a", "").goesWell("1\n10\n100\n9\nB\nZ\n_\na\né\n")
}

// twoFolders starts an agent with two directories of actions, given in this order.
func twoFolders(t *testing.T, agent string, env map[string]string) (*node, client) {
	t.Helper()
	n := newNode(t)
	n.startAs(agent, []string{"--actionsdir", n.path("actions"), "--actionsdir=" + n.path("later")}, env)
	return n, client{t: t, redis: n.redis, agent: agent}
}

// Rule (section 3): "with equal names, a later `--actionsdir` replaces an earlier one"
func TestStepsOfALaterDirectoryReplace(t *testing.T) {
	t.Parallel()
	n, c := twoFolders(t, agentID, nil)
	n.step("a/10", "echo earlier 10")
	n.step("a/30", "echo earlier 30")
	n.step("a/40", "echo earlier 40")
	n.file("later/a/20", 0o755, "#!/bin/sh\necho later 20\n")
	n.file("later/a/30", 0o755, "#!/bin/sh\necho later 30\n")
	c.run("a", "").goesWell("earlier 10\nlater 20\nlater 30\nearlier 40\n").tells(
		"pending 0, running 0, running 25, running 50, running 75, running 100, completed 100")
}

// Rule (section 3): "with equal names, a later `--actionsdir` replaces an earlier one"
//
// So does one that cannot be started: it is skipped, and the earlier one does not come back.
func TestStepsThatCannotStartReplaceToo(t *testing.T) {
	t.Parallel()
	n, c := twoFolders(t, agentID, nil)
	n.step("a/10", "echo earlier")
	n.step("a/20", "echo kept")
	n.file("later/a/10", 0o644, "")
	c.run("a", "").goesWell("kept\n")
}

// joining is what add-node, compiled into the cluster agent, asks of a node. Its
// steps are 10version, 20endpoint and 50register.
const joining = `{"node_pwh":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","public_key":"k","endpoint":"","core_version":"9.9.9"}`

// registered is an output that add-node's schema accepts.
const registered = `{"node_id":2,"ip_address":"10.5.4.2","network":"10.5.4.0/24","leader_public_key":"k",` +
	`"leader_ip_address":"10.5.4.1","leader_endpoint":"n:1","leader_core_version":"9.9.8"}`

// clusterAgent starts one whose version differs from the joining node's in the patch alone.
func clusterAgent(t *testing.T) (*node, client) {
	t.Helper()
	return twoFolders(t, "cluster", map[string]string{"CORE_VERSION": "9.9.8"})
}

// Rule (section 3): "Steps come from the Go registry compiled into the agent, and from each `--actionsdir`"
func TestStepsAreCompiledIn(t *testing.T) {
	t.Parallel()
	_, c := twoFolders(t, "cluster", map[string]string{"CORE_VERSION": "1.0.0"})
	c.run("add-node", joining).ends("validation-failed", "3").prints(
		`[{"field":"core_version","parameter":"core_version","value":"9.9.9","error":"core_version_mismatch"}]`)
}

// Rule (section 3): "any directory replaces the compiled-in step."
func TestStepsOfADirectoryReplaceCompiledIn(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{"first directory": "actions", "later directory": "later"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, c := clusterAgent(t)
			n.file(folder+"/add-node/50register", 0o755, "#!/bin/sh\necho '"+registered+"'\n")
			c.run("add-node", joining).goesWell(registered + "\n").tells(
				"pending 0, running 0, running 33, running 66, running 100, completed 100")
		})
	}
}

// Rule (section 3): "So an administrator can add, or replace, one step of a compiled-in action with a script."
func TestStepsCanBeAddedToCompiledIn(t *testing.T) {
	t.Parallel()
	n, c := clusterAgent(t)
	n.step("add-node/15between", "echo 'between 10 and 20' >&2")
	n.step("add-node/20endpoint", "echo replaced >&2")
	n.step("add-node/50register", "echo '"+registered+"'")
	n.step("add-node/99last", "echo last >&2")
	c.run("add-node", joining).goesWell(registered + "\n").errs("between 10 and 20\nreplaced\nlast\n").tells(
		"pending 0, running 0, running 20, running 40, running 60, running 80, running 100, completed 100")
}

// Rule (section 3): "`validate-input.json` and `validate-output.json` are no steps but JSON Schemas (draft-07; the last directory wins)"
func TestSchemaOfTheLastDirectoryWins(t *testing.T) {
	t.Parallel()
	n, c := twoFolders(t, agentID, nil)
	n.step("a/10", `printf '"text"'`)
	n.file("actions/a/validate-input.json", 0o644, `{"type":"string"}`)
	n.file("later/a/validate-input.json", 0o644, `{"type":"integer"}`)
	n.file("actions/a/validate-output.json", 0o644, `{"type":"integer"}`)
	n.file("later/a/validate-output.json", 0o644, `{"type":"string"}`)
	c.run("a", `1`).goesWell(`"text"`)
	c.run("a", `"text"`).ends("validation-failed", "10")
}

// Rule (section 3): "`validate-input.json` and `validate-output.json` are no steps but JSON Schemas (draft-07; the last directory wins)"
//
// Those of a directory win over the compiled-in ones, too.
func TestSchemaOfADirectoryReplacesCompiledIn(t *testing.T) {
	t.Parallel()
	n, c := clusterAgent(t)
	n.step("add-node/50register", "echo 1")
	n.file("actions/add-node/validate-output.json", 0o644, `{"type":"integer"}`)
	c.run("add-node", joining).goesWell("1\n")
	n.file("later/add-node/validate-input.json", 0o644, `{"type":"integer"}`)
	c.run("add-node", joining).ends("validation-failed", "10")
}

// Rule (section 3): "run first and last, with weight 0."
func TestSchemaChecksHaveNoWeight(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.file("actions/a/validate-input.json", 0o755, `{"type":"object"}`)
	n.file("actions/a/validate-output.json", 0o755, `{"type":"integer"}`)
	n.step("a/10", "touch ../ran")
	n.step("a/wait", "echo 1") // would run after validate-output.json by its name
	c.run("a", "{}").goesWell("1\n").errs("").tells("pending 0, running 0, running 50, running 100, completed 100")
	c.run("a", "[]").ends("validation-failed", "10").tells("pending 0, validation-failed 0")
}

// Rule (section 3): "The directory is read when the task starts."
func TestStepsAreReadAtTheStart(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	c.run("a", "").ends("aborted", "8")
	n.step("a/10", "printf '#!/bin/sh\\necho late\\n' >../actions/a/20; chmod 755 ../actions/a/20; echo 10")
	c.run("a", "").goesWell("10\n")
	c.run("a", "").goesWell("10\nlate\n")
	must(t, os.RemoveAll(n.path("actions/a")))
	c.run("a", "").ends("aborted", "8")
}

// Rule (section 3): "An action without any step ends at once: output empty, error `Action A is not defined\n`, exit code 8, status `aborted`."
func TestActionWithoutSteps(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	must(t, os.MkdirAll(n.path("actions/empty"), 0o755))
	must(t, os.MkdirAll(n.path("actions/folders/10"), 0o755))
	n.file("actions/file", 0o755, "#!/bin/sh\necho no action\n")
	n.file("actions/schemas/validate-input.json", 0o755, `{"type":"string"}`)
	n.file("actions/schemas/validate-output.json", 0o755, `{"type":"string"}`)
	for _, action := range []string{"missing", "empty", "folders", "file", "schemas"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			n.client(t).run(action, "{}").ends("aborted", "8").prints("").
				errs("Action " + action + " is not defined\n").tells("pending 0, aborted 0")
		})
	}
}
