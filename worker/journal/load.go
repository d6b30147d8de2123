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
		// A directory without a log that can be read, or with one that is damaged or a copy, becomes a new
		// agent's: what an earlier one had in progress is settled as that of an agent that is gone.
		j.log.instance = o.newInstance()
		err = syncAncestors(o.disk, j.dir)
	}
	j.instance = j.log.instance
	unreadable, found := j.findResults()
	if errors.Is(warning, errCopy) {
		j.dropUnkept()
	}
	if err = errors.Join(err, found, j.beginLife(warning != nil)); err != nil {
		return nil, errors.Join(err, j.log.close())
	}
	return errors.Join(warning, unreadable), nil
}

// firstInUse is the first log that records are added to. The ones before only see to it that both files
// have been written to: one that is blank has lost a log then.
const firstInUse = 3

// beginLife begins a log of this life. Before, both files have their size on disk, but for a log that
// is in doubt: that it was cut off tells a next life, if this one is killed until another log counts.
func (j *Journal) beginLife(doubted bool) error {
	old := j.log.current
	err := j.log.secure(1 - old)
	if err == nil && !doubted {
		err = j.log.reserve(old, j.log.size)
	}
	if err == nil {
		// An earlier life may have been killed before it brought to disk what was read
		// now, while the other file, which is about to be overwritten, is there.
		err = j.disk.syncFile(j.log.files[old])
	}
	if err != nil {
		return err
	}
	carried, err := j.carried(j.log.size / 4)
	for begun := false; err == nil && (!begun || j.log.generation < firstInUse); begun = true {
		err = j.log.begin(append(carried, j.live()...))
	}
	if err == nil && doubted {
		err = j.log.reserve(old, j.log.size)
	}
	return err
}

// recall replays the newer log, if there is one that can be read.
func (j *Journal) recall() error {
	var unreadable []error
	var older, newest history
	for number := range j.log.files {
		found, err := j.log.read(number)
		switch {
		case err != nil && !j.log.isBlank(number):
			unreadable = append(unreadable, err)
		case err == nil && found.head.Generation > j.log.generation:
			older, newest = newest, found
			j.log.current, j.log.generation, j.log.instance = number, found.head.Generation, found.head.Instance
		case err == nil:
			older = found
		}
	}
	for _, r := range newest.records {
		replay(j.entries, r)
	}
	j.ended = endings(older.records, newest.records, time.Now())
	if reason := j.log.doubtful(older, newest); reason != nil {
		j.doubt()
		return reason
	}
	if j.log.instance != "" || len(unreadable) == 0 {
		return nil // the other one is older, or was being made
	}
	return fmt.Errorf("the log cannot be read; tasks that were in progress are %s: %w", settledAlike, errors.Join(unreadable...))
}

// doubtful tells why the newer log does not tell how far tasks have come, if it does not.
func (l *log) doubtful(older, newest history) error {
	damage := newest.damage
	if l.instance != "" && older.head.Kind == "" {
		damage = errors.Join(damage, l.otherLost(newest.head))
	}
	if moved := newest.head.Home.verify(l.homes[l.current]); moved != nil {
		moved = fmt.Errorf("%s: %w", l.files[l.current].Name(), moved)
		return fmt.Errorf("%w; tasks that are still in progress are %s: %w", errCopy, settledAlike, errors.Join(moved, damage))
	}
	if damage != nil {
		return fmt.Errorf("the log is damaged; tasks that were in progress are %s: %w", settledAlike, damage)
	}
	return nil
}

var errCopy = errors.New("the journal is a copy")

// settledAlike is what follows for whoever waits for the tasks.
const settledAlike = "settled as if all had been started (exit code 12, or run again where that is declared repeatable)"

// doubt is for a log of which records are missing, or may be elsewhere. Its instance is given up, so
// that all tasks that this one had in progress are settled as those of an agent that is gone, when it is,
// those of which no record is here, too. Of those that are known, that they were started may be what is missing.
func (j *Journal) doubt() {
	j.log.instance = ""
	for _, e := range j.entries {
		e.boot = ""
	}
}

// dropUnkept has a copy forget what was in progress when it was made: that may have ended, and been told,
// long ago. What has not stands in the list of the instance before still, and is found there. A result
// that was kept may be nowhere else; of equal tasks it is that of one.
func (j *Journal) dropUnkept() {
	for key, e := range j.entries {
		if e.left = 1; e.result == 0 {
			delete(j.entries, key)
		}
	}
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
