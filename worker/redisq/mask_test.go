package redisq

import (
	"encoding/json"
	"reflect"
	"testing"

	"cluster-agent/worker"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ payload, want string }{
		"nothing to hide":       {`{"id":"1","action":"a"}`, `{"action":"a","id":"1"}`},
		"each ending":           {`{"password":1,"secret":1,"token":1,"key":1,"pass":1}`, `{"key":"XXX","pass":"XXX","password":"XXX","secret":"XXX","token":"XXX"}`},
		"ending alone counts":   {`{"admin_password":1,"passwords":1,"keyring":1,"bypass":1}`, `{"admin_password":"XXX","bypass":"XXX","keyring":1,"passwords":1}`},
		"any case":              {`{"API_Key":"x","ToKeN":"y","PASSWORD":"z"}`, `{"API_Key":"XXX","PASSWORD":"XXX","ToKeN":"XXX"}`},
		"whatever its type":     {`{"a_key":null,"b_key":[1,{"x":2}],"c_key":{"d":1},"e_key":1.5,"f_key":true}`, `{"a_key":"XXX","b_key":"XXX","c_key":"XXX","e_key":"XXX","f_key":"XXX"}`},
		"in objects and arrays": {`{"data":[[{"o":{"token":"t","n":1}}],"token"]}`, `{"data":[[{"o":{"n":1,"token":"XXX"}}],"token"]}`},
		"numbers as they are":   {`{"n":[1.50,1e400,12345678901234567890,-0]}`, `{"n":[1.50,1e400,12345678901234567890,-0]}`},
		"an empty key":          {`{"":"x","data":{"":1}}`, `{"":"x","data":{"":1}}`},
		"letters that fold":     {"{\"\u212aey\":\"x\"}", "{\"\u212aey\":\"XXX\"}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := mask([]byte(c.payload))
			if err != nil || string(got) != c.want {
				t.Fatalf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

// FuzzMask wants of every task: the context is JSON, no secret is left, and
// everything else is as it was.
func FuzzMask(f *testing.F) {
	for _, payload := range []string{
		`{"id":"1","action":"a","data":{"password":"p","list":[{"x_token":{"key":1}},1.50]}}`,
		`{"id":"1","action":"a","data":{"\u212aEY":"s","<&>":"\ud800"}}`,
		`{"id":"1","action":"a","pass":"1","pass":"2","data":null}`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, err := worker.DecodeTask(payload); err != nil {
			t.Skip("no task")
		}
		context, err := mask(payload)
		if err != nil {
			t.Fatalf("a task without a context: %v", err)
		}
		var before, after any
		if err := json.Unmarshal(context, &after); err != nil {
			t.Fatalf("context is no JSON: %v", err)
		}
		if json.Unmarshal(payload, &before) != nil {
			return // a number too large for this test's own reading
		}
		compareMasked(t, before, after)
	})
}

// compareMasked walks a task and its context side by side.
func compareMasked(t *testing.T, before, after any) {
	t.Helper()
	switch before := before.(type) {
	case map[string]any:
		got, ok := after.(map[string]any)
		if !ok || len(got) != len(before) {
			t.Fatalf("object %v became %v", before, after)
		}
		for key, value := range before {
			if isSecret(key) {
				value = hidden
			}
			compareMasked(t, value, got[key])
		}
	case []any:
		got, ok := after.([]any)
		if !ok || len(got) != len(before) {
			t.Fatalf("array %v became %v", before, after)
		}
		for i := range before {
			compareMasked(t, before[i], got[i])
		}
	default:
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%v became %v", before, after)
		}
	}
}
