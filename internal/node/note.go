package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"cluster-agent/internal/host"
)

// note is a small JSON file in the state directory of the node agent: what this node
// knows by itself, whatever its Redis says. about is how errors speak of it.
type note struct{ path, about string }

func (m *Machine) note(name, about string) note {
	return note{path: filepath.Join(m.Files.StateDir(host.NodeAgent), name), about: about}
}

// read fills content; it stays as it is if there is no note.
func (n note) read(content any) error {
	text, err := os.ReadFile(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, content)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", n.about, err)
	}
	return nil
}

func (n note) write(content any) error {
	text, err := json.Marshal(content)
	if err == nil {
		_, err = host.WriteFile(n.path, append(text, '\n'), host.Secret())
	}
	if err != nil {
		return fmt.Errorf("note %s: %w", n.about, err)
	}
	return nil
}

func (n note) remove() error {
	if err := os.Remove(n.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget %s: %w", n.about, err)
	}
	return nil
}
