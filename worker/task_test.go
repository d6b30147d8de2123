package worker

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestDecodeTask(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"id":"1","action":"a"}`:                              "",
		`{"id":"1","action":"a","user":7,"data":[1],"x":null}`: "",
		`Il n'y a rien`:                                        "invalid character 'I' looking for beginning of value",
		``:                                                     "unexpected end of JSON input",
		`{"id":"1","action":"a"`:                               "unexpected end of JSON input",
		`{"id":"1","action":"a"} x`:                            "invalid character 'x' after top-level value",
		`{"id":1,"action":"a"}`:                                "cannot unmarshal number",
		`[]`:                                                   "cannot unmarshal array",
		`null`:                                                 "the task has no id",
		`{"action":"a"}`:                                       "the task has no id",
		`{"id":"1"}`:                                           "", // it gets its answer: no such action
		`{"id":"1","action":null}`:                             "",
	} {
		_, err := DecodeTask([]byte(payload))
		var reason *DecodeError
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", payload, err)
		case want != "" && (!errors.As(err, &reason) || !strings.Contains(reason.Error(), want)):
			t.Errorf("%s: error is %v, want %q", payload, err, want)
		}
	}
}

func TestTaskParts(t *testing.T) {
	t.Parallel()
	payload := `{"id":"1","action":"a","user":"joe","data":{"n":1.50},"more":true}`
	task, err := DecodeTask([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	if task.User != "joe" || string(task.Input()) != `{"n":1.50}` || string(task.Payload) != payload {
		t.Errorf("got %+v", task)
	}
	if input := (Task{}).Input(); string(input) != "null" {
		t.Errorf("input without data is %s", input)
	}
}

// FuzzDecodeTask wants of any bytes: a task with an id and an action, and with
// an input that is JSON, or an error that says why not.
func FuzzDecodeTask(f *testing.F) {
	for _, payload := range []string{`{"id":"1","action":"a","data":{}}`, `{"ID":"1","Action":"a","data":null}`, `{`, `[]`, "\xff"} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		task, err := DecodeTask(payload)
		if err != nil {
			var reason *DecodeError
			if !errors.As(err, &reason) || reason.Error() == "" {
				t.Fatalf("%q: error %v", payload, err)
			}
			return
		}
		if task.ID == "" || !json.Valid(task.Input()) || string(task.Payload) != string(payload) {
			t.Fatalf("%q became %+v", payload, task)
		}
	})
}

// TestInputIsWrittenAnew: what steps read does not depend on how a client
// spaces and orders what it sends.
func TestInputIsWrittenAnew(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		"":     "null",
		"null": "null",
		`{ "b" : 1.50,` + "\n" + `"a": [1e400, "x"] }`: `{"a":[1e400,"x"],"b":1.50}`,
		`"text"`: `"text"`,
	} {
		if got := string(Task{Data: []byte(data)}.Input()); got != want {
			t.Errorf("input of %q is %s, want %s", data, got, want)
		}
	}
}
