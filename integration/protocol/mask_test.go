package protocol

import "testing"

// Rule (section 2): "In the context, at any depth, in objects and inside arrays, the value of a key whose
// lower-cased name ends with `password`, `secret`, `token`, `key` or `pass` is replaced
// by `"XXX"`, whatever its type. Everything else keeps its structure and its numbers."
func TestMask(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ data, want string }{
		"ends with password": {`{"password":"hush","Password":"hush","adminPASSWORD":"hush"}`, `{"password":"XXX","Password":"XXX","adminPASSWORD":"XXX"}`},
		"ends with secret":   {`{"secret":"hush","client_Secret":"hush"}`, `{"secret":"XXX","client_Secret":"XXX"}`},
		"ends with token":    {`{"token":"hush","AuthToken":"hush"}`, `{"token":"XXX","AuthToken":"XXX"}`},
		"ends with key":      {`{"key":"hush","API-KEY":"hush","monkey":"hush"}`, `{"key":"XXX","API-KEY":"XXX","monkey":"XXX"}`},
		"ends with pass":     {`{"pass":"hush","bindPass":"hush","bypass":"hush"}`, `{"pass":"XXX","bindPass":"XXX","bypass":"XXX"}`},
		"other names": {
			`{"passwords":"a","secret_name":"b","tokens":["c"],"keys":[1],"passed":"d","keyboard":"e","password ":"f"}`,
			`{"passwords":"a","secret_name":"b","tokens":["c"],"keys":[1],"passed":"d","keyboard":"e","password ":"f"}`,
		},
		"of any type": {
			`[{"key":1},{"key":-1.5e3},{"key":true},{"key":null},{"key":""},{"key":["hush"]},{"key":{"a":"hush"}},{"key":[]}]`,
			`[{"key":"XXX"},{"key":"XXX"},{"key":"XXX"},{"key":"XXX"},{"key":"XXX"},{"key":"XXX"},{"key":"XXX"},{"key":"XXX"}]`,
		},
		"in objects":           {`{"a":{"b":{"c":{"token":"hush","d":1}}}}`, `{"a":{"b":{"c":{"token":"XXX","d":1}}}}`},
		"inside arrays":        {`{"a":[[{"b":[{"pass":"hush"},2]}],"c"]}`, `{"a":[[{"b":[{"pass":"XXX"},2]}],"c"]}`},
		"values are not names": {`["password","token",{"name":"secret"}]`, `["password","token",{"name":"secret"}]`},
		"structure": {
			`{"":{},"a":[],"b":[null,true,[],{}],"c":"<&> \u00e9 \ud83d\ude00 \\ \" \u0000","d":null}`,
			`{"":{},"a":[],"b":[null,true,[],{}],"c":"<&> é 😀 \\ \" \u0000","d":null}`,
		},
		"numbers": {
			`[0,-0,1.0,1.50,1e2,1E-7,12345678901234567890,0.1234567890123456789,1e400]`,
			`[0,-0,1.0,1.50,1e2,1E-7,12345678901234567890,0.1234567890123456789,1e400]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.step("show/10", "cat")
			n.start(nil)
			finished := n.watch("1")
			n.redis.Do(t, "lpush", agentID+"/tasks", `{"id":"1","action":"show","data":`+c.data+`}`)
			finished()
			want := `{"id":"1","action":"show","data":` + c.want + `}`
			if got := n.get("1", "context"); !sameJSON(t, want, got) {
				t.Errorf("context is %s, want %s", got, want)
			}
			if got := n.get("1", "output"); !sameJSON(t, c.data, got) {
				t.Errorf("the step reads %s, want %s", got, c.data)
			}
		})
	}
}

// TestMaskOfTheTask: the task's own fields are no exception.
//
// Rule (section 2): "In the context, at any depth"
func TestMaskOfTheTask(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.start(nil)
	finished := n.watch("1")
	n.redis.Do(t, "lpush", agentID+"/tasks", `{"id":"1","action":"list-actions","token":"hush","extra":{"sessionKey":{"a":"hush"}}}`)
	finished()
	const want = `{"id":"1","action":"list-actions","token":"XXX","extra":{"sessionKey":"XXX"}}`
	if got := n.get("1", "context"); !sameJSON(t, want, got) {
		t.Errorf("context is %s, want %s", got, want)
	}
}
