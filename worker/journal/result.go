package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cluster-agent/worker"
)

// keepLimit bounds what results may take of the disk. One that does not fit is
// kept without its output and error text.
const keepLimit = 64 << 20

const resultPrefix = "result-"

// kept is a result in its file.
type kept struct {
	ID     string        `json:"id"`
	Action string        `json:"action"`
	Result worker.Result `json:"result"`
}

// Keep implements [worker.Journal].
func (j *Journal) Keep(task worker.Task, result worker.Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[task.Key]
	if e == nil {
		return nil // stored, and forgotten, meanwhile
	}
	if j.kept-e.result+int64(len(result.Output)+len(result.Error)) > keepLimit {
		result.Error = fmt.Appendf(nil, "output and error text were not kept while Redis was away: over %d MiB\n", keepLimit>>20)
		result.Output = nil
	}
	text, err := json.Marshal(kept{ID: task.ID, Action: task.Action, Result: result})
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	if err := j.replace(j.resultPath(task.Key), text); err != nil {
		return fmt.Errorf("keep result: %w", err)
	}
	j.kept += int64(len(text)) - e.result
	e.result = int64(len(text))
	return nil
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

// findResults notes which results an earlier life has kept.
func (j *Journal) findResults() error {
	paths, err := filepath.Glob(filepath.Join(j.dir, resultPrefix+"*"))
	if err != nil {
		return fmt.Errorf("look for results that were kept: %w", err)
	}
	for _, path := range paths {
		if err := j.findResult(path); err != nil {
			return err
		}
	}
	return nil
}

// findResult notes a result, also that of a task the log has lost. A file that
// cannot be read is put away: what it was about is settled without it.
func (j *Journal) findResult(path string) error {
	found, err := readResult(path)
	if err != nil {
		return os.Rename(path, filepath.Join(j.dir, "unreadable-"+filepath.Base(path)))
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at result that was kept: %w", err)
	}
	key := strings.TrimPrefix(filepath.Base(path), resultPrefix)
	e := j.entries[key]
	if e == nil {
		e = &entry{id: found.ID, action: found.Action, begun: 1}
		j.entries[key] = e
	}
	e.result = info.Size()
	j.kept += e.result
	return nil
}

// drop removes the file of a result; the caller holds the lock.
func (j *Journal) drop(key string, e *entry) error {
	if e.result == 0 {
		return nil
	}
	j.kept -= e.result
	if err := os.Remove(j.resultPath(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop result that was kept: %w", err)
	}
	return nil
}

func (j *Journal) resultPath(key string) string { return filepath.Join(j.dir, resultPrefix+key) }

// replace replaces a file; when it returns, that survives a failure of the power.
func (j *Journal) replace(path string, content []byte) error {
	temporary, err := os.CreateTemp(j.dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err == nil {
		err = j.disk.syncFile(temporary)
	}
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return j.disk.syncFolder(j.dir)
}
