package redisq

import (
	"fmt"
	"strings"

	"cluster-agent/worker/canonical"
)

const hidden = "XXX"

// mask replaces, at any depth, the values of keys that name a secret. Numbers
// keep their spelling, keys come out sorted.
func mask(payload []byte) ([]byte, error) {
	context, err := canonical.Append(make([]byte, 0, len(payload)+64), payload, isSecret, `"`+hidden+`"`)
	if err != nil {
		return nil, fmt.Errorf("mask secrets: %w", err)
	}
	return context, nil
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
