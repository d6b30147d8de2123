package protocol

import (
	"strings"
	"testing"
)

// Rule (section 2): "In the context, at any depth, in objects and inside arrays, the value of a key whose
// lower-cased name ends with `password`, `secret`, `token`, `key` or `pass` is replaced
// by `"XXX"`, whatever its type."
//
// The steps see what was given.
func TestSecretsAreForTheStepsAlone(t *testing.T) {
	t.Parallel()
	const given = `{"Password":"hush","n":1.50,"list":[[{"deep":{"API_KEY":{"hush":["hush"]},"keys":["shown"]}}],{"user_token":null}],` +
		`"bypass":7,"my-SECRET":true,"passwords":"shown","secrets":{"pass":[1,2]},"ключ":"shown","id":12345678901234567890}`
	const shown = `{"Password":"XXX","n":1.50,"list":[[{"deep":{"API_KEY":"XXX","keys":["shown"]}}],{"user_token":"XXX"}],` +
		`"bypass":"XXX","my-SECRET":"XXX","passwords":"shown","secrets":{"pass":"XXX"},"ключ":"shown","id":12345678901234567890}`
	n := newNode(t)
	n.step("a/10", "cat")
	p := n.start(nil)
	r := n.client(t).run("a", given).ends("completed", "0")
	if !equalJSON(t, r.output, given) {
		t.Errorf("the step was given %s", r.output)
	}
	if want := `{"id":` + quoted(r.id) + `,"action":"a","data":` + shown + `}`; !equalJSON(t, r.context, want) {
		t.Errorf("the context is %s, want %s", r.context, want)
	}
	if strings.Contains(p.stderr.String(), "hush") {
		t.Error("the log has a secret")
	}
}

// Rule (section 2): "Everything else keeps its structure and its numbers."
//
// So do fields that nobody knows, beside the data and in the place of it.
func TestContextKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.step("a/10", "cat")
	for data, extra := range map[string]string{
		`[9007199254740993,-0.0,1E+2,1e400,0.10]`: `{"title":"<b>&","numbers":[1.0,100000000000000000000]}`,
		`"text"`:         `[]`,
		`{"":{"":[{}]}}`: `null`,
	} {
		payload := `{"id":"1","action":"a","data":` + data + `,"extra":` + extra + `,"parent":"","user":"admin","queue":"","timestamp":"t","more":[{"x":1e5}]}`
		finished := n.watch("1")
		n.redis.Do(t, "lpush", agentID+"/tasks", payload)
		finished()
		if got := n.get("1", "context"); !equalJSON(t, got, payload) {
			t.Errorf("the context is %s, want %s", got, payload)
		}
		if got := n.get("1", "output"); !equalJSON(t, got, data) {
			t.Errorf("the step was given %s, want %s", got, data)
		}
	}
	c.run("a", "").ends("completed", "0")
}
