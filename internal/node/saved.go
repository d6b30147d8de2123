package node

import (
	"context"
	"errors"
	"time"

	"cluster-agent/internal/cluster"
)

// saveFile, in the state directory of the node agent, says that the local Redis, whose
// node has come to lead, is to write its data to disk. The command that made it lead does
// not wait for that, which takes seconds with many data; the loop sees to it.
const saveFile = "save-wanted.json"

// save is the note.
type save struct {
	Wanted bool `json:"wanted"`
	Begun  bool `json:"begun"` // Redis has taken the order; else it has refused so far
}

// saveAgain is how soon a save that has failed is tried again: the disk may be full.
const saveAgain = 10 * time.Second

func (m *Machine) saveNote() note {
	return m.note(saveFile, "whether the data of Redis are to be saved")
}

// beginSave notes that the data have to get to disk, and has Redis begin with that. If it
// cannot, that is no failure of what made it necessary: the loop sees to it.
func (m *Machine) beginSave(ctx context.Context, s *cluster.Store) error {
	if err := m.saveNote().write(save{Wanted: true}); err != nil {
		return err
	}
	if _, err := m.tryToSave(ctx, s); err != nil {
		m.Log.Warnf("%v; it is tried again", err)
	}
	return nil
}

// tryToSave has Redis begin, and returns how soon to look again.
func (m *Machine) tryToSave(ctx context.Context, s *cluster.Store) (time.Duration, error) {
	begun, err := s.BeginSave(ctx)
	switch {
	case err != nil:
		return saveAgain, err
	case !begun:
		return roleInterval, nil
	}
	return roleInterval, m.saveNote().write(save{Wanted: true, Begun: true})
}

// seeToSave returns when it wants to look again whether the data are on disk; the zero
// Time if nobody waits for that.
func (m *Machine) seeToSave(ctx context.Context, s *session) (time.Time, error) {
	var wanted save
	if err := m.saveNote().read(&wanted); err != nil || !wanted.Wanted {
		return time.Time{}, err
	}
	role, err := s.readRole(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if !role.Master {
		return time.Time{}, m.saveNote().remove() // the data are another's now
	}
	if !wanted.Begun {
		pause, tryErr := m.tryToSave(ctx, s.Store)
		return time.Now().Add(pause), tryErr
	}
	saved, err := s.Saved(ctx)
	switch {
	case err != nil:
		return time.Now().Add(saveAgain), errors.Join(err, m.saveNote().write(save{Wanted: true}))
	case !saved:
		return time.Now().Add(roleInterval), nil
	}
	return time.Time{}, m.saveNote().remove()
}
