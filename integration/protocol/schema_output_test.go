package protocol

import (
	"strings"
	"testing"
)

// Rule (section 3): "A schema that cannot be read or compiled: `aborted`, exit code 1."
func TestSchemaThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for name, schema := range map[string]string{
		"empty": "", "no-JSON": `{"type":`, "two": `{} {}`, "comment": "// words\n{}", "list": `[]`, "number": `5`, "null": `null`,
		"type": `{"type":"strin"}`, "pattern": `{"pattern":"("}`, "length": `{"minLength":-1}`, "properties": `{"properties":[]}`,
		"reference": `{"$ref":"#/definitions/nothing"}`, "stranger": `{"$ref":"http://127.0.0.1:1/schema.json"}`, "file": `{"$ref":"file:///etc/hostname"}`,
		"circle": `{"$ref":"#"}`, "deep-reference": `{"properties":{"a":{"items":{"$ref":"#/nothing"}}}}`, "not-UTF-8": "{\"\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n.schema("in-"+name, schema)
			n.client(t).run("in-"+name, `"x"`).ends("aborted", "1").prints("").tells("pending 0, aborted 0")
			n.step("out-"+name+"/10", `echo '"x"'`)
			n.file("actions/out-"+name+"/validate-output.json", 0o644, schema)
			n.client(t).run("out-"+name, `"x"`).ends("aborted", "1").prints("\"x\"\n").tells("pending 0, running 0, running 100, aborted 100")
		})
	}
}

// Rule (section 3): "A failed output schema: status `aborted`, exit code 1, output
// unchanged."
func TestOutputSchema(t *testing.T) {
	t.Parallel()
	n, _ := started(t)
	for name, c := range map[string]struct{ output, code string }{
		"good":          {`"x"`, "0"},
		"white space":   {" \n\t\"x\"\r\n\n", "0"},
		"wrong type":    {"17\n", "1"},
		"no JSON":       {"hello world\n", "1"},
		"nothing":       {"", "1"},
		"two documents": {`"x" "y"`, "1"},
		"cut off":       {`"x`, "1"},
		"no UTF-8":      {"\"\xff\"\x00", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			action := strings.ReplaceAll(name, " ", "-")
			n.file("actions/"+action+"/validate-output.json", 0o644, `{"type":"string"}`)
			n.file("output-"+action, 0o644, c.output)
			n.step(action+"/10", "cat ../output-"+action)
			r := n.client(t).run(action, "").prints(c.output)
			if c.code == "0" {
				r.ends("completed", "0").errs("").tells("pending 0, running 0, running 100, completed 100")
				return
			}
			r.ends("aborted", "1").tells("pending 0, running 0, running 100, aborted 100")
		})
	}
}

// Rule (section 3): "A failed output schema: status `aborted`, exit code 1, output
// unchanged."
//
// What a failed output lacks is told as for the input.
func TestErrorOfTheOutputSchema(t *testing.T) {
	t.Parallel()
	n, c := started(t)
	n.file("actions/a/validate-output.json", 0o644, `{"required":["n"]}`)
	n.step("a/10", "echo words >&2; echo '{}'")
	r := c.run("a", "").ends("aborted", "1").prints("{}\n")
	if !strings.HasPrefix(r.errput, "words\nValidation errors: ") {
		t.Errorf("error is %q", r.errput)
	}
}

// Rule (section 1): "`validator-definitions.json` is looked for here"
func TestSharedDefinitions(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.file("install/validator-definitions.json", 0o644, `{"$id":"http://schema.example.org/validator-definitions.json",
		"definitions":{"port":{"type":"integer","minimum":1,"maximum":65535}}}`)
	n.schema("absolute", `{"properties":{"p":{"$ref":"http://schema.example.org/validator-definitions.json#/definitions/port"}}}`)
	n.schema("relative", `{"$id":"http://schema.example.org/a.json","properties":{"p":{"$ref":"validator-definitions.json#/definitions/port"}}}`)
	n.schema("missing", `{"$ref":"http://schema.example.org/validator-definitions.json#/definitions/nothing"}`)
	n.start(map[string]string{"AGENT_INSTALL_DIR": n.path("install")})
	for _, action := range []string{"absolute", "relative"} {
		n.client(t).run(action, `{"p":1}`).goesWell("ran\n")
		n.client(t).run(action, `{"p":0}`).rejects(at("p", "number_gte", `0`))
	}
	n.client(t).run("missing", `{"p":0}`).ends("aborted", "1")
}
