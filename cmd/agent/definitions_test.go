package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cluster-agent/internal/cli"
	"cluster-agent/internal/redistest"
	"cluster-agent/worker"
)

// definitions is a good validator-definitions.json, and a reference to it.
const (
	definitions = `{"$id":"http://example.com/definitions.json","definitions":{"port":{"type":"integer","maximum":65535}}}`
	reference   = `{"$ref":"http://example.com/definitions.json#/definitions/port"}`
)

// TestSharedSchemas: what is wrong with the file is said at start, with its name.
func TestSharedSchemas(t *testing.T) {
	t.Parallel()
	if shared := sharedSchemas("", nil); len(shared) != 0 {
		t.Errorf("without a directory there are %d", len(shared))
	}
	for name, c := range map[string]struct {
		content string
		want    string // in the warning; none: no warning
	}{
		"good":      {definitions, ""},
		"cut off":   {definitions[:40], "unexpected EOF"},
		"empty":     {"", "EOF"},
		"no schema": {`{"definitions":{"port":{"type":"port"}}}`, "at '/definitions/port/type'"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, definitionsFile)
		must(t, os.WriteFile(path, []byte(c.content), 0o600))
		var log bytes.Buffer
		shared := sharedSchemas(dir, (&environment{Environment: cli.Environment{Stderr: &log}}).logger())
		if got := shared[0](); string(got.Source) != c.content || got.Name != path || got.Err != nil {
			t.Errorf("%s: read %+v", name, got)
		}
		wantWarning(t, name, log.String(), path, c.want)
	}
}

func wantWarning(t *testing.T, name, log, path, want string) {
	t.Helper()
	if want == "" {
		if log != "" {
			t.Errorf("%s: log %q", name, log)
		}
		return
	}
	if !strings.HasPrefix(log, "<4>") || strings.Count(log, "\n") != 1 || !strings.Contains(log, path) || !strings.Contains(log, want) {
		t.Errorf("%s: log %q, want a warning with %q", name, log, want)
	}
}

// TestUnreadableSharedSchemas: a missing file is none, another failure is told.
func TestUnreadableSharedSchemas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log bytes.Buffer
	env := &environment{Environment: cli.Environment{Stderr: &log}}
	if shared := sharedSchemas(dir, env.logger()); len(shared) != 1 || shared[0]().Err == nil || log.String() != "" {
		t.Errorf("missing: log %q", log.String())
	}
	must(t, os.Mkdir(filepath.Join(dir, definitionsFile), 0o750))
	if shared := sharedSchemas(dir, env.logger()); len(shared) != 1 || shared[0]().Err == nil {
		t.Error("a directory has been read as a schema")
	}
	wantWarning(t, "directory", log.String(), filepath.Join(dir, definitionsFile), "is a directory")
}

// TestBrokenDefinitions keep neither the agent from starting nor other actions
// from running; a repaired file is seen without a restart.
func TestBrokenDefinitions(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	install := t.TempDir()
	path := filepath.Join(install, definitionsFile)
	must(t, os.WriteFile(path, []byte(`{"$id":`), 0o600))
	dir := steps(t, map[string]string{"free": "echo 1", "own": "echo 1", "refers": "echo 1"})
	must(t, os.WriteFile(filepath.Join(dir, "own", "validate-input.json"), []byte(`{"type":"integer"}`), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "refers", "validate-input.json"), []byte(reference), 0o600))
	agent := start(t, m.root, []string{
		"REDIS_ADDRESS=" + m.redis.Address(), "REDIS_USER=cluster", "REDIS_PASSWORD=" + redistest.Password, "AGENT_INSTALL_DIR=" + install,
	}, "agent", "--agentid", module, "--actionsdir="+dir)
	agent.log.await(t, "<4>Actions whose schema refers to "+path+" will abort: unexpected EOF\n")
	run := func(action, data string) said {
		return call(m.root, "", "api-cli", "run", module+"/"+action, "--check-idle-time=0", "--data="+data)
	}
	run("free", "1").Want(t, 0, "1\n", "")
	run("own", "1").Want(t, 0, "1\n", "")
	run("own", `"x"`).Want(t, worker.ExitInvalid, `[{"parameter":"(root)","error":"(root)_invalid_type","value":"x","field":"(root)"}]`+"\n", "Validation errors")
	run("refers", "1").Want(t, worker.ExitFailure, "", "shared document "+path+": unexpected EOF")
	must(t, os.WriteFile(path, []byte(definitions), 0o600))
	run("refers", "1").Want(t, 0, "1\n", "")
	run("refers", "65536").Want(t, worker.ExitInvalid, `[{"parameter":"(root)","error":"(root)_number_lte","value":65536,"field":"(root)"}]`+"\n", "")
}
