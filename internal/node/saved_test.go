package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The data of a node that has come to lead get to its disk, also if Redis cannot begin with
// them at once, or fails; a node that follows again has no data of its own to save.
func TestSeeToSave(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	client, ctx := server.Client(), t.Context()
	tryToLook := func() (again bool, err error) {
		err = m.with(func(s *session) error {
			at, seeErr := m.seeToSave(ctx, s)
			again = !at.IsZero()
			return seeErr
		})
		return again, err
	}
	look := func() bool {
		t.Helper()
		again, err := tryToLook()
		must(t, err)
		return again
	}
	begin := func() {
		t.Helper()
		must(t, m.with(func(s *session) error { return m.beginSave(ctx, s.Store) }))
	}
	if look() {
		t.Error("nobody has asked for anything")
	}

	must(t, client.ConfigSet(ctx, "rdb-key-save-delay", "300000").Err())
	must(t, client.Set(ctx, "before", "1", 0).Err())
	must(t, client.BgSave(ctx).Err())
	must(t, client.Set(ctx, "after", "1", 0).Err())
	begin() // refused, since one is under way
	must(t, client.ConfigSet(ctx, "rdb-key-save-delay", "0").Err())
	server.Eventually("have all on disk", func() bool { return !look() })
	server.Kill()
	server.Run()
	if got := client.Get(ctx, "after").Val(); got != "1" {
		t.Errorf("after the power cut: %q", got)
	}

	file := filepath.Join(server.Dir, "dump.rdb")
	must(t, os.Remove(file))
	must(t, os.MkdirAll(filepath.Join(file, "in the way"), 0o700))
	begin()
	server.Eventually("fail", func() bool {
		again, err := tryToLook()
		return again && err != nil && strings.Contains(err.Error(), `status "err"`)
	})
	must(t, os.RemoveAll(file))
	server.Eventually("save at the second try", func() bool { return !look() })

	begin()
	must(t, client.Do(ctx, "REPLICAOF", "127.0.0.1", "1").Err())
	if look() {
		t.Error("a replica looks after its data")
	}
	if _, err := os.Stat(m.saveNote().path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the note is there: %v", err)
	}
}

// A Redis that writes its append-only file anew cannot save its data at the same time: that
// is waited for, by who needs them on disk, and by the loop.
func TestSaveBesideTheAppendOnlyFile(t *testing.T) {
	t.Parallel()
	m, server, _ := newMachine(t, 1)
	client, ctx := server.Client(), t.Context()
	must(t, client.Set(ctx, "a", "1", 0).Err())
	must(t, client.ConfigSet(ctx, "rdb-key-save-delay", "300000").Err())
	must(t, client.ConfigSet(ctx, "appendonly", "yes").Err())
	must(t, m.with(func(s *session) error { return m.beginSave(ctx, s.Store) }))
	var noted save
	must(t, m.saveNote().read(&noted))
	if noted != (save{Wanted: true}) {
		t.Errorf("the note says %+v", noted)
	}
	must(t, client.ConfigSet(ctx, "rdb-key-save-delay", "0").Err())
	must(t, m.with(func(s *session) error { return s.Persist(ctx) }))
	server.Eventually("have all on disk", func() bool {
		again := time.Time{}
		must(t, m.with(func(s *session) error {
			var err error
			again, err = m.seeToSave(ctx, s)
			return err
		}))
		return again.IsZero()
	})
}
