package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"cluster-agent/internal/host"
)

// Request is what add-node needs to know of a machine that wants to join.
type Request struct {
	// NodePWH is the SHA-256, in hex, of the node agent's Redis password.
	NodePWH string `json:"node_pwh"`
	// PublicKey is the machine's WireGuard public key.
	PublicKey string `json:"public_key"`
	// Endpoint is where others reach the machine, host:port, or empty.
	Endpoint string `json:"endpoint"`
	// CoreVersion is the version of the machine's software, where the caller knows it.
	CoreVersion string `json:"core_version,omitempty"`
}

// JoinRequest reads what a prepared machine says of itself. The endpoint is
// left empty: only an administrator knows it.
func JoinRequest(files host.Files) (Request, error) {
	node, err := files.Credentials(host.NodeAgent)
	if err != nil {
		return Request{}, fmt.Errorf("make join request: %w", err)
	}
	key, err := files.Keys()
	if err != nil {
		return Request{}, fmt.Errorf("make join request: %w", err)
	}
	return Request{NodePWH: passwordHash(node.Password), PublicKey: key.PublicKey().String()}, nil
}

// passwordHash is the form in which ACL rules hold a password.
func passwordHash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}
