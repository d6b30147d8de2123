package actions_test

import (
	"encoding/json"
	"slices"
	"testing"

	"cluster-agent/worker"
)

// TestInput: what does not satisfy an action's schema never reaches its steps.
func TestInput(t *testing.T) {
	t.Parallel()
	m := newMachine(t, 1)
	before := m.keys(t)
	const (
		hash = `"node_pwh":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
		key  = `"public_key":"TJ9YlZlrjEBHhQ7RlCyBZ7hm1pkcYh+DxTgLXhIAGlM="`
		join = `"ip_address":"10.5.4.2","network":"10.5.4.0/24","leader_public_key":"k","leader_ip_address":"10.5.4.1"`
	)
	for _, c := range []struct {
		action, data string
		want         []string // field and error of each violation
	}{
		{"create-cluster", `null`, []string{"(root)", "(root)_invalid_type"}},
		{"create-cluster", `[]`, []string{"(root)", "(root)_invalid_type"}},
		{"create-cluster", `{}`, []string{"(root)", "(root)_required", "(root)", "(root)_required"}},
		{"create-cluster", `{"network":"10.5.4.0/24"}`, []string{"(root)", "(root)_required"}},
		{"create-cluster", `{"network":10,"endpoint":"h:1"}`, []string{"network", "network_invalid_type"}},
		{"create-cluster", `{"network":"10.5.4.0/24","endpoint":""}`, []string{"endpoint", "endpoint_string_gte"}},

		{"add-node", `{` + hash + `,` + key + `}`, []string{"(root)", "(root)_required"}},
		{"add-node", `{"node_pwh":"secret",` + key + `,"endpoint":""}`, []string{"node_pwh", "node_pwh_pattern"}},
		{"add-node", `{` + hash + `,"public_key":"","endpoint":""}`, []string{"public_key", "public_key_string_gte"}},
		{"add-node", `{` + hash + `,` + key + `,"endpoint":null}`, []string{"endpoint", "endpoint_invalid_type"}},
		{"add-node", `{` + hash + `,` + key + `,"endpoint":"","core_version":1}`, []string{"core_version", "core_version_invalid_type"}},
		{"add-node", `{` + hash + `,` + key + `,"endpoint":"","flags":"nomodules"}`, []string{"flags", "flags_invalid_type"}},
		{"add-node", `{` + hash + `,` + key + `,"endpoint":"","flags":["a",1]}`, []string{"flags.1", "flags_invalid_type"}},

		{"join-node", `{"node_id":2,` + join + `}`, []string{"(root)", "(root)_required"}},
		{"join-node", `{"node_id":"2",` + join + `,"leader_endpoint":"h:1"}`, []string{"node_id", "node_id_invalid_type"}},
		{"join-node", `{"node_id":0,` + join + `,"leader_endpoint":"h:1"}`, []string{"node_id", "node_id_number_gte"}},
		{"join-node", `{"node_id":2,` + join + `,"leader_endpoint":""}`, []string{"leader_endpoint", "leader_endpoint_string_gte"}},

		{"promote-node", `{"node_id":3,"endpoint_address":"h"}`, []string{"(root)", "(root)_required"}},
		{"promote-node", `{"node_id":1.5,"endpoint_address":"h","endpoint_port":1}`, []string{"node_id", "node_id_invalid_type"}},
		{"promote-node", `{"node_id":3,"endpoint_address":"h","endpoint_port":0}`, []string{"endpoint_port", "endpoint_port_number_gte"}},
		{"promote-node", `{"node_id":3,"endpoint_address":"h","endpoint_port":65536}`, []string{"endpoint_port", "endpoint_port_number_lte"}},
		{"promote-node", `{"node_id":3,"endpoint_address":"h","endpoint_port":1,"endpoint_validation":"no"}`, []string{"endpoint_validation", "endpoint_validation_invalid_type"}},
	} {
		result := m.run(t, c.action, c.data)
		var violations []worker.Violation
		if err := json.Unmarshal(result.Output, &violations); err != nil {
			t.Errorf("%s %s: output %s: %v", c.action, c.data, result.Output, err)
		}
		got := make([]string, 0, 2*len(violations))
		for _, violation := range violations {
			got = append(got, violation.Field, violation.Error)
		}
		if result.ExitCode != worker.ExitInvalid || result.Final.Status != worker.ValidationFailed || !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %s (%d) %v, want %v\n%s", c.action, c.data, result.Final.Status, result.ExitCode, got, c.want, result.Error)
		}
	}
	if after := m.keys(t); !slices.Equal(before, after) || m.asked.all() != "" {
		t.Errorf("keys %v, services %s", after, m.asked.all())
	}
}
