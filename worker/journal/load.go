package journal

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// bootFile tells one boot of the machine from another, proc_sys_kernel(5).
const bootFile = "/proc/sys/kernel/random/boot_id"

// load reads what the last life wrote, and begins a log of this one.
func (j *Journal) load(o options) (warning, err error) {
	boot, err := os.ReadFile(bootFile)
	if err != nil {
		return nil, fmt.Errorf("ask for the machine's boot: %w", err)
	}
	j.boot = strings.TrimSpace(string(boot))
	if j.log, err = openLog(j.dir, o); err != nil {
		return nil, err
	}
	if warning = j.recall(); j.log.instance == "" {
		// A directory without a log that can be read becomes a new agent's: what an
		// earlier one had in progress is settled as that of an agent that is gone.
		j.log.instance = o.newInstance()
		err = syncAncestors(o.disk, j.dir)
	}
	j.instance = j.log.instance
	// An earlier life may have been killed before it brought to disk what was read
	// now, while the other file, which is about to be overwritten, is there.
	err = errors.Join(err, o.disk.syncFile(j.log.files[j.log.current]))
	unreadable, found := j.findResults()
	carried, encodeErr := j.carried(o.logSize / 4)
	if err = errors.Join(err, found, encodeErr, j.log.begin(append(carried, j.live()...))); err != nil {
		return nil, errors.Join(err, j.log.close())
	}
	return errors.Join(warning, unreadable), nil
}

// recall replays the newer log, if there is one that can be read.
func (j *Journal) recall() error {
	var unreadable []error
	var older, newest []record
	for number := range j.log.files {
		head, records, err := j.log.read(number)
		switch {
		case err != nil && !j.log.isBlank(number):
			unreadable = append(unreadable, err)
		case err == nil && head.Generation > j.log.generation:
			older, newest = newest, records
			j.log.current, j.log.generation, j.log.instance = number, head.Generation, head.Instance
		case err == nil:
			older = records
		}
	}
	for _, r := range newest {
		replay(j.entries, r)
	}
	j.ended = endings(older, newest, time.Now())
	if j.log.instance != "" {
		return nil // the other one is older, or was being made
	}
	if len(unreadable) == 0 {
		return nil
	}
	return fmt.Errorf("the log cannot be read; tasks that were in progress are settled as if all had been started: %w", errors.Join(unreadable...))
}

func newInstance() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }

// live are the records of what still counts.
func (j *Journal) live() []record {
	records := make([]record, 0, len(j.entries))
	for _, key := range slices.Sorted(maps.Keys(j.entries)) {
		records = append(records, j.entries[key].record(key))
	}
	return records
}
