package journal

import "errors"

// note adds a record to those that are to be written. The caller holds the lock, and
// the entries have what the record says.
func (j *Journal) note(r record) error {
	lines, err := r.encode(j.unwritten, j.log.seal)
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
	j.unwritten, err = r.encode(j.unwritten, j.log.seal)
	return err
}

// flush writes what is not written yet. If that fails it is tried again the next time. The
// caller holds the lock.
func (j *Journal) flush() error {
	if len(j.unwritten) == 0 {
		return nil
	}
	if !j.log.fits(j.unwritten) { // for it was given up
		return j.beginLog()
	}
	if err := j.log.append(j.unwritten); err != nil {
		return err
	}
	j.unwritten = j.unwritten[:0]
	return nil
}

// beginLog goes on in the other file, with what the entries say. The ends that are not written
// yet go to the older one, if it takes them: what those tasks came to is read there, too. The
// caller holds the lock.
func (j *Journal) beginLog() error {
	var unwritten error
	if j.log.fits(j.unwritten) {
		unwritten = j.log.append(j.unwritten)
	}
	j.unwritten = j.unwritten[:0]
	err := j.log.begin(j.live())
	if err != nil { // tasks that wait for the next batch may be in no log
		err = errors.Join(err, unwritten)
		j.next.err = err
	}
	return err
}
