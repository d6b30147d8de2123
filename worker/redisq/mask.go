package redisq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

const hidden = "XXX"

// mask replaces, at any depth, the values of keys that name a secret. Numbers
// keep their spelling, keys come out sorted.
func mask(payload []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, fmt.Errorf("mask secrets: %w", err)
	}
	hideSecrets(document)
	context, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("mask secrets: %w", err)
	}
	return context, nil
}

func hideSecrets(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if isSecret(key) {
				value[key] = hidden
				continue
			}
			hideSecrets(inner)
		}
	case []any:
		for _, inner := range value {
			hideSecrets(inner)
		}
	}
}

func isSecret(key string) bool {
	key = strings.ToLower(key)
	for _, ending := range []string{"password", "secret", "token", "key", "pass"} {
		if strings.HasSuffix(key, ending) {
			return true
		}
	}
	return false
}
