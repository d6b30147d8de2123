package promotenode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"cluster-agent/vpn"
	"cluster-agent/worker"
)

// endpoint asks whether a cluster-admin answers at the address, unless the
// caller does not want to know.
func (s steps) endpoint(ctx context.Context, c *worker.Call) error {
	var in input
	if err := c.Decode(&in); err != nil {
		return err
	}
	if _, err := vpn.ParseEndpoint(in.endpoint()); err != nil {
		return c.Invalid(worker.ExitInvalid, "endpoint_address", in.Address, "endpoint_address_format", err)
	}
	if in.Validation != nil && !*in.Validation {
		return nil
	}
	err := s.ask(ctx, in.host())
	if ctx.Err() != nil {
		return err // the task was cancelled: nobody knows
	}
	if err != nil {
		return c.Invalid(4, "endpoint_address", in.Address, "endpoint_address_not_reachable",
			fmt.Errorf("%w: check the name, the firewall and that cluster-admin runs there", err))
	}
	return nil
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
