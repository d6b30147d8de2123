package worker

import (
	"bytes"
	"fmt"
	"sync"
)

// boundedBuffer keeps the first limit bytes that are written to it and counts
// the rest, so that a step that prints without end exhausts nothing.
type boundedBuffer struct {
	mu      sync.Mutex
	kept    bytes.Buffer
	limit   int
	printed int   // of what is kept, by steps
	dropped int64 // of what they printed
}

// Write implements [io.Writer]; it never fails, since a step is not to be
// stopped by the amount it prints.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := min(b.limit-b.printed, len(p))
	b.kept.Write(p[:room])
	b.printed += room
	b.dropped += int64(len(p) - room)
	return len(p), nil
}

func (b *boundedBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.kept.Bytes())
}

// say adds a line of the engine, however much steps have printed: it says little.
func (b *boundedBuffer) say(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if text := b.kept.Bytes(); len(text) > 0 && text[len(text)-1] != '\n' {
		b.kept.WriteByte('\n')
	}
	b.kept.WriteString(line)
	b.kept.WriteByte('\n')
}

// note says what was dropped, for the task's error text.
func (b *boundedBuffer) note(stream string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped == 0 {
		return ""
	}
	return fmt.Sprintf("The %s was cut after %d bytes: %d more were dropped", stream, b.limit, b.dropped)
}
