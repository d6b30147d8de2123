package canonical_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"cluster-agent/worker/canonical"
)

// encoded is what encoding/json makes of a document, with the values of secret keys replaced.
func encoded(document []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	hide(value)
	return json.Marshal(value)
}

func hide(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if isSecret(key) {
				value[key] = "XXX"
				continue
			}
			hide(inner)
		}
	case []any:
		for _, inner := range value {
			hide(inner)
		}
	}
}

func isSecret(key string) bool { return strings.HasSuffix(key, "key") }

// documents are of every kind, with what is written in more than one way.
func documents() []string {
	return []string{
		`null`, ` true `, `false`, `0`, `-0`, `1.50`, `1e400`, `12345678901234567890`, `""`, `"a b"`, "\n[ ]\t", `{}`, `{ }`,
		`{"b":1,"a":{"d":[1,2,{"f":null,"e":"x"}],"c":true}}`,
		`{"a":1,"a":{"b":2},"a":[3]}`,
		`{"":1," ":2,"key":{"x":1},"a_key":[1],"\u006bey":"\u006b"}`,
		`["\u00e9","é","\ud83d\ude00","😀","\ud800","\udc00\ud800"," "," "]`,
		`["<a href=\"x\">&amp;</a>","\/","\b\f\n\r\t\u0000\u001f\u007f","\\\""]`,
		"{\"\xff\":\"\xc3\",\"\u212aey\":1}",
		`[[],[[]],{"a":{}},[{"a":[]}], 1 , "x" ]`,
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000), strings.Repeat(`{"b":1,"a":`, 1000) + "1" + strings.Repeat("}", 1000),
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	for _, document := range documents() {
		compare(t, []byte(document))
	}
}

func TestAppendAdds(t *testing.T) {
	t.Parallel()
	if got, err := canonical.Append([]byte("x="), []byte(` {"b" : 1, "a": 2}`), nil, ""); string(got) != `x={"a":2,"b":1}` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

// What would be moved ten thousand times is not: it takes no more memory, and so no more time,
// than with encoding/json.
//
//nolint:paralleltest // it is about what the whole process allocates
func TestAppendDeeplyOutOfOrder(t *testing.T) {
	const depth = 9_990
	document := []byte(strings.Repeat(`{"b":1,"a":`, depth) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat("}", depth))
	compare(t, document)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := canonical.Append(nil, document, isSecret, `"XXX"`); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 64<<20 {
		t.Errorf("%d MiB for a document of 1", allocated>>20)
	}
}

func TestAppendRejects(t *testing.T) {
	t.Parallel()
	for _, document := range []string{``, ` `, `{`, `{"a"`, `{"a":`, `[1,`, `"`, `"\`, `{}{}`, `nul`, strings.Repeat("[", 10001) + strings.Repeat("]", 10001)} {
		if got, err := canonical.Append([]byte("x"), []byte(document), nil, ""); string(got) != "x" || !errors.Is(err, canonical.ErrInvalid) {
			t.Errorf("%.20q: %s, %v", document, got, err)
		}
	}
}

// FuzzAppend wants of every document what encoding/json makes of it, byte by byte.
func FuzzAppend(f *testing.F) {
	for _, document := range documents() {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		if !json.Valid(document) {
			t.Skip("no document")
		}
		compare(t, document)
	})
}

func compare(t *testing.T, document []byte) {
	t.Helper()
	want, err := encoded(document)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	if got, err := canonical.Append(nil, document, isSecret, `"XXX"`); !bytes.Equal(got, want) || err != nil {
		t.Errorf("%s\ngot  %s, %v\nwant %s", document, got, err, want)
	}
}

// task is one with some data, as clients push it.
func task() []byte {
	return []byte(`{"id":"8e2a1b9c-5d0e-4b0b-a1d5-1f2e3d4c5b6a","action":"noop","data":{"password":"x","list":[1,2,3]},"extra":{"isNotificationHidden":true}}`)
}

func BenchmarkAppend(b *testing.B) {
	document := task()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := canonical.Append(nil, document, isSecret, `"XXX"`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	document := task()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encoded(document); err != nil {
			b.Fatal(err)
		}
	}
}
