package vpn

import (
	"context"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Device is the VPN interface of one host. Implementations convert and call;
// what is to be done has been decided before. Both methods return when ctx
// ends.
type Device interface {
	// State reads the interface and its surroundings. An interface that does
	// not exist is no error: State.Exists is false.
	State(ctx context.Context) (State, error)
	// Apply makes the changes of the plan, in its order. A change that fails
	// does not keep the others from being made; the error names each.
	Apply(ctx context.Context, plan Plan) error
}

// ScratchKey returns the key of a peer that exists only within one request: it
// takes an allowed IP that is to go to nobody, and goes itself. wgctrl knows no
// other way to take one allowed IP from a peer than to replace all of them,
// which for a moment leaves the others without a way, and takes time with each
// of them. No node can have this key; should a host be switched off in the
// middle of a request, the next run removes the peer.
func ScratchKey() wgtypes.Key {
	var key wgtypes.Key
	copy(key[:], "allowed IPs that go to nobody...")
	return key
}
