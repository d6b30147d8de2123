package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"cluster-agent/internal/cluster"
	"cluster-agent/internal/host"
)

// keepWrites keeps a copy of all that this node's Redis, a master, holds, before it gets
// the data of the leader instead, unless the leader is known to have all of it. That is
// so if this node's stream ends where the leader's epoch began, or before.
//
// From then on nothing is written, until resumeWrites: that would be in neither.
func (sw *switching) keepWrites(ctx context.Context) error {
	if !sw.role.Master {
		return nil
	}
	sw.paused = true
	if err := sw.session.PauseWrites(ctx, pauseTime); err != nil {
		return err
	}
	complete, err := sw.targetHasAll(ctx)
	if err != nil {
		sw.machine.Log.Infof("whether node %d has all that was written here is not known: %v", sw.target.ID, err)
	}
	if complete {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, dumpTime)
	defer cancel()
	path, err := sw.machine.dump(ctx, sw.session.Store, time.Now())
	if err != nil {
		return fmt.Errorf("keep a copy of what was written here and node %d may not have (switch-leader --force does without): %w", sw.target.ID, err)
	}
	sw.machine.Log.Warnf("node %d may not have all that was written here while it led: a copy of the whole is kept in %s "+
		"(look into it with a redis-server of its own: --dir %s --dbfilename %s)",
		sw.target.ID, path, filepath.Dir(path), filepath.Base(path))
	return nil
}

// pauseTime bounds the pause of writes, should this process end in it. Clients wait
// meanwhile, for no longer than it takes to write all data to disk.
const pauseTime = time.Minute

// dumpTime is less: what is written after the pause would be in no copy.
const dumpTime = 45 * time.Second

// resumeWrites lets those go on who wait to write, to be told that this Redis is a
// replica now, or to write if it is none.
func (sw *switching) resumeWrites(ctx context.Context) {
	if !sw.paused {
		return
	}
	sw.paused = false
	if err := sw.session.ResumeWrites(context.WithoutCancel(ctx)); err != nil {
		sw.machine.Log.Warnf("%v: they wait for up to %s", err, pauseTime)
	}
}

// targetHasAll asks the new leader where its epoch began.
func (sw *switching) targetHasAll(ctx context.Context) (bool, error) {
	uuid, uuidErr := sw.session.UUID(ctx)
	place, placeErr := sw.session.Place(ctx)
	if err := errors.Join(uuidErr, placeErr); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	c, err := askClaim(ctx, sw.target, uuid)
	return err == nil && c.origin.Covers(place), err
}

// dump copies the data of the local Redis into the state directory of the node agent,
// readable by root alone.
func (m *Machine) dump(ctx context.Context, s *cluster.Store, now time.Time) (path string, err error) {
	from, err := s.DumpFile(ctx)
	if err != nil {
		return "", err
	}
	source, err := os.Open(from)
	if err != nil {
		return "", fmt.Errorf("open the file of Redis: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	path = filepath.Join(m.Files.StateDir(host.NodeAgent), "lost-writes-"+now.UTC().Format("20060102T150405Z")+".rdb")
	return path, copyTo(path, source)
}

// copyTo writes a new file that is there whole, and on disk, or not at all.
func copyTo(path string, source io.Reader) (err error) {
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(secret))
	if err != nil {
		return fmt.Errorf("make the copy: %w", err)
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }() // nothing is left to clean after success
	if _, err = io.Copy(file, source); err == nil {
		err = file.CloseAtomicallyReplace()
	}
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err // without the name, which is another one each time
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder has the names in a folder survive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("bring %s to disk: %w", path, err)
	}
	if err = errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("bring %s to disk: %w", path, err)
	}
	return nil
}
