package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"cluster-agent/worker"
)

// keepLimit bounds what results may take of the disk, in bytes of their files:
// these are JSON, and so a third larger than the output. A result that does not fit
// is kept without its output and error text.
const keepLimit = 64 << 20

const resultPrefix = "result-"

// kept is a result in its file.
type kept struct {
	ID     string        `json:"id"`
	Action string        `json:"action"`
	Result worker.Result `json:"result"`
}

// Keep implements [worker.Journal]. Other tasks begin while a result is written.
func (j *Journal) Keep(task worker.Task, result worker.Result) error {
	text, err := encodeResult(task, result)
	if err != nil {
		return err
	}
	e, fits := j.takeRoom(task.Key, int64(len(text)))
	if e == nil {
		return nil // stored, and forgotten, meanwhile
	}
	if !fits {
		result.Error = fmt.Appendf(nil, "output and error text were not kept while Redis was away: over %d MiB\n", keepLimit>>20)
		result.Output = nil
		if text, err = encodeResult(task, result); err != nil {
			return err
		}
		j.giveRoom(-int64(len(text)))
	}
	temporary, err := j.writeTemporary(task.Key, text)
	if err != nil {
		j.giveRoom(int64(len(text)))
		return fmt.Errorf("keep result: %w", err)
	}
	if err := j.putInPlace(temporary, task.Key, e, int64(len(text))); err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	return nil
}

func encodeResult(task worker.Task, result worker.Result) ([]byte, error) {
	text, err := json.Marshal(kept{ID: task.ID, Action: task.Action, Result: result})
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return text, nil
}

// takeRoom counts a file that is about to be written, if it fits. There is no entry
// of a task that is forgotten.
func (j *Journal) takeRoom(key string, size int64) (e *entry, fits bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e = j.entries[key]; e == nil || j.kept-e.result+size > keepLimit {
		return e, false
	}
	j.kept += size
	return e, true
}

func (j *Journal) giveRoom(size int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kept -= size
}

// temporaryPrefix marks a file that is being written.
const temporaryPrefix = "."

// writeTemporary has a result on disk, under a name that nobody looks for.
func (j *Journal) writeTemporary(key string, content []byte) (path string, err error) {
	file, err := os.CreateTemp(j.dir, temporaryPrefix+resultPrefix+key+"-*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	if err == nil {
		err = j.disk.syncFile(file)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// putInPlace gives a result its name, unless its task was forgotten meanwhile; when
// it returns, that survives a failure of the power.
func (j *Journal) putInPlace(temporary, key string, e *entry, size int64) error {
	if named, err := j.name(temporary, key, e, size); !named || err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return j.disk.syncFolder(j.dir)
}

func (j *Journal) name(temporary, key string, e *entry, size int64) (named bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.entries[key] == e {
		err = os.Rename(temporary, j.resultPath(key))
		named = err == nil
	}
	if !named {
		j.kept -= size
		return false, err
	}
	j.kept -= e.result
	e.result = size
	return true, nil
}

// Result implements [worker.Journal].
func (j *Journal) Result(task worker.Task) (worker.Result, error) {
	found, err := readResult(j.resultPath(task.Key))
	return found.Result, err
}

func readResult(path string) (kept, error) {
	var found kept
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		return kept{}, fmt.Errorf("read result that was kept: %w", err)
	}
	return found, nil
}

// drop removes the file of a result; the caller holds the lock.
func (j *Journal) drop(key string, e *entry) error {
	if e.result == 0 {
		return nil
	}
	j.kept -= e.result
	e.result = 0
	if err := os.Remove(j.resultPath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop result that was kept: %w", err)
	}
	return nil
}

func (j *Journal) resultPath(key string) string { return filepath.Join(j.dir, resultPrefix+key) }
