package promotenode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// endpoint asks whether a cluster-admin answers at the address, unless the
// caller does not want to know.
func (s steps) endpoint(ctx context.Context, in input) (finding, error) {
	in, err := s.complete(ctx, in)
	if err != nil {
		return finding{}, err
	}
	if _, err = vpn.ParseEndpoint(in.endpoint()); err != nil {
		return finding{}, in.refuseEndpoint(worker.ExitInvalid, "endpoint_address_format", err)
	}
	if in.Validation != nil && !*in.Validation {
		return finding{detail: "cluster-admin is not asked whether it answers at " + in.host() + ", as endpoint_validation says"}, nil
	}
	err = s.ask(ctx, in.host())
	if ctx.Err() != nil {
		return finding{}, err // the task was cancelled: nobody knows
	}
	if err != nil {
		return finding{}, in.refuseEndpoint(exitNotReached, "endpoint_address_not_reachable",
			fmt.Errorf("%w: check the name, the firewall and that cluster-admin runs there", err))
	}
	return finding{detail: "cluster-admin answers at https://" + in.host()}, nil
}

func (in input) refuseEndpoint(code int, name string, why error) error {
	return &refusal{code: code, field: "endpoint_address", value: in.Address, name: name, why: why}
}

// complete takes the endpoint of the node's record, in a dry run that names none.
func (s steps) complete(ctx context.Context, in input) (input, error) {
	if in.Address != "" && in.Port != 0 {
		return in, nil
	}
	node, err := s.candidate(ctx, in)
	if err != nil {
		return in, err
	}
	if node.Endpoint == "" {
		return in, in.refuseEndpoint(exitNotReached, "node_has_no_endpoint",
			fmt.Errorf("node %d has no endpoint: name it here, or give it one by set-node-endpoint", in.NodeID))
	}
	host, port, err := net.SplitHostPort(node.Endpoint)
	if err == nil {
		in.Address = cmp.Or(in.Address, host)
		if in.Port == 0 {
			in.Port, err = strconv.Atoi(port)
		}
	}
	if err != nil {
		return in, in.refuseEndpoint(worker.ExitInvalid, "endpoint_address_format", fmt.Errorf("the endpoint of node %d: %w", in.NodeID, err))
	}
	return in, nil
}

// maxAnswer is more than any answer to the question has.
const maxAnswer = 1 << 20

// ask succeeds if https://HOST answers as the API server of a cluster does, to
// the end: one that hangs in the middle of its answer serves nobody.
func (s steps) ask(ctx context.Context, address string) (err error) {
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/cluster-admin/api/cluster/tasks", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask endpoint: %w", err)
	}
	request.Header.Set("Authorization", "probe")
	response, err := s.probe.Do(request)
	if err != nil {
		return fmt.Errorf("ask endpoint: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)); err != nil {
		return fmt.Errorf("read the answer of %s: %w", address, err)
	}
	challenge := strings.Join(response.Header.Values("WWW-Authenticate"), ", ")
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, "nethserver") {
		return fmt.Errorf("%s answers, but not as cluster-admin does: status %d, WWW-Authenticate %q",
			address, response.StatusCode, challenge)
	}
	return nil
}
