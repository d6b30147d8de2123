package journal

// note adds a record to those that are to be written. If the log is full, it begins the other
// one, where all but ends are by way of the entries. The caller holds the lock, and the entries
// have what the record says.
func (j *Journal) note(r record) error {
	lines, err := j.log.encode(j.unwritten, r)
	if err != nil {
		return err
	}
	if j.log.fits(lines) {
		j.unwritten = lines
		return nil
	}
	if err = j.beginLog(); err != nil || r.Kind != endKind {
		return err
	}
	// No entry says any more what a task came to.
	j.unwritten, err = j.log.encode(j.unwritten, r)
	return err
}

// flush writes what is not written yet. What fails is tried again the next time. The caller
// holds the lock.
func (j *Journal) flush() error {
	if j.log.spoilt {
		return j.beginLog()
	}
	if len(j.unwritten) == 0 {
		return nil
	}
	if err := j.log.append(j.unwritten); err != nil {
		return err
	}
	j.unwritten = j.unwritten[:0]
	return nil
}

// beginLog goes on in the other file, with what the entries say. Ends that are not written yet
// go to the older file, where they are read, too; if it does not take them, only what those
// tasks came to is lost. The caller holds the lock.
func (j *Journal) beginLog() error {
	if !j.log.spoilt && j.log.append(j.unwritten) == nil {
		j.unwritten = j.unwritten[:0]
	}
	if err := j.log.begin(j.live()); err != nil {
		return err
	}
	j.unwritten = j.unwritten[:0]
	return nil
}
