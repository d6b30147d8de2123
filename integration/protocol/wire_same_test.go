package protocol

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// sameJSONSet compares lists whose order says nothing.
func sameJSONSet(t *testing.T, want, got string) bool {
	t.Helper()
	return sameList(fromJSON(t, want), fromJSON(t, got))
}

// sameJSON compares what two texts say.
func sameJSON(t *testing.T, want, got string) bool {
	t.Helper()
	return reflect.DeepEqual(fromJSON(t, want), fromJSON(t, got))
}

// fromJSON reads a text; numbers keep their spelling.
func fromJSON(t *testing.T, text string) any {
	t.Helper()
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%q is no JSON: %v", text, err)
	}
	return value
}
