package journal

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"
)

// bootFile tells one boot of the machine from another, proc_sys_kernel(5).
const bootFile = "/proc/sys/kernel/random/boot_id"

// load reads what the last life wrote, and begins a log of this one.
func (j *Journal) load() (warning, err error) {
	boot, err := os.ReadFile(bootFile)
	if err != nil {
		return nil, fmt.Errorf("ask for the machine's boot: %w", err)
	}
	j.boot = strings.TrimSpace(string(boot))
	if j.log, err = openLog(j.dir); err != nil {
		return nil, err
	}
	warning = j.recall()
	j.instance = j.log.instance
	if err := errors.Join(j.findResults(), j.log.begin(j.live())); err != nil {
		return nil, errors.Join(err, j.log.close())
	}
	return warning, nil
}

// recall replays the newer log. A directory without one becomes a new agent's:
// what an earlier one had in progress is settled as that of an agent that is gone.
func (j *Journal) recall() error {
	var unreadable []error
	var newest []record
	for number := range j.log.files {
		head, records, err := j.log.read(number)
		switch {
		case err != nil && !j.log.isBlank(number):
			unreadable = append(unreadable, err)
		case err == nil && head.Generation > j.log.generation:
			newest = records
			j.log.current, j.log.generation, j.log.instance = number, head.Generation, head.Instance
		}
	}
	for _, r := range newest {
		replay(j.entries, r)
	}
	if j.log.instance != "" {
		return nil // the other one is older, or was being made
	}
	j.log.instance = strings.ReplaceAll(uuid.NewString(), "-", "")
	return errors.Join(unreadable...)
}

// live are the records of what still counts.
func (j *Journal) live() []record {
	records := make([]record, 0, len(j.entries))
	for key, e := range j.entries {
		records = append(records, e.record(key))
	}
	return records
}
