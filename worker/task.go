package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cluster-agent/worker/canonical"
)

// Task is one order, as taken from a queue.
type Task struct {
	ID     string
	Action string
	User   string          // who asked for it; may be empty
	Parent string          // id of the task that asked for it; as a rule empty
	Data   json.RawMessage // input of the steps; nil if the order had none
	// Payload is the whole order as it was pushed, unknown fields included; nil of
	// a task that only a [Journal] knows.
	Payload []byte
	// Key names the payload: 32 hexadecimal digits of its SHA-256.
	Key string
	// Foreign marks a task that another agent with the same id took, which is
	// gone: whether it was started is not known.
	Foreign bool
}

// Input is what the steps read: the task's data, or null. It is written anew,
// on one line with sorted keys, so that steps read the same from every client;
// numbers keep their spelling.
func (t Task) Input() []byte {
	input, err := canonical.Append(make([]byte, 0, len(t.Data)), t.Data, nil, "")
	if err != nil {
		return []byte("null") // there is none: what was decoded once is JSON
	}
	return input
}

// DecodeError says why a payload is no task.
type DecodeError struct{ Err error }

// Error gives the reason alone: the protocol fixes what stands before it in the log.
func (e *DecodeError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *DecodeError) Unwrap() error { return e.Err }

// order is what the engine looks at of a task as it was pushed. Its name shows in
// the reasons of encoding/json.
type order struct {
	ID     string          `json:"id"`
	Action string          `json:"action"`
	Data   json.RawMessage `json:"data"`
	User   json.RawMessage `json:"user"`
	Parent json.RawMessage `json:"parent"`
}

// DecodeTask reads a JSON object with an id, by which its outcome can be told,
// and an action; one that names none is a task that cannot be done. The error is
// a [*DecodeError].
func DecodeTask(payload []byte) (Task, error) {
	var pushed order
	if err := json.Unmarshal(payload, &pushed); err != nil {
		return Task{}, &DecodeError{Err: err}
	}
	if pushed.ID == "" {
		return Task{}, &DecodeError{Err: errors.New("the task has no id")}
	}
	return Task{
		ID: pushed.ID, Action: pushed.Action, User: text(pushed.User), Parent: text(pushed.Parent),
		Data: pushed.Data, Payload: payload, Key: KeyOf(payload),
	}, nil
}

// KeyOf names a payload, in a form that is fit for files and keys.
func KeyOf(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:16])
}

// text reads what need not be there leniently: only id and action decide whether a
// payload is a task.
func text(raw json.RawMessage) string {
	var content string
	if len(raw) == 0 || json.Unmarshal(raw, &content) != nil {
		return ""
	}
	return content
}

// Status is where a task stands.
type Status string

// The statuses of a task; the last three are final.
const (
	Pending          Status = "pending"
	Running          Status = "running"
	Completed        Status = "completed"
	Aborted          Status = "aborted"
	ValidationFailed Status = "validation-failed"
)

// Progress is a status with the share of the work that is done, in percent. Its
// JSON form is what clients read from the progress channel.
type Progress struct {
	Status  Status `json:"status"`
	Percent int    `json:"progress"`
}

// Result is what a task came to.
type Result struct {
	Output   []byte   // what the steps printed to stdout
	Error    []byte   // what they printed to stderr, and what the engine has to say
	ExitCode int      // 0, or why not; see the Exit constants
	Final    Progress // the final status
	// Held are reports not told yet, because they said 100 %: clients may read
	// the result as soon as they see one, so it goes out together with it.
	Held []Progress
	// Builtin marks a result of the engine's own actions, which do not touch
	// the agent's environment.
	Builtin bool
	// OnReplica has the final status told on a Redis that takes no result.
	OnReplica bool
	// Announcements are the events to send with the result.
	Announcements []Announcement
}

// Ended is a task that has ended, by its key, and what it came to.
type Ended struct {
	Key    string
	At     time.Time
	Result Result
}

// Announcement is an event that goes out with the result of a task.
type Announcement struct {
	Channel string
	Payload []byte
}

// Event is a message for all who care, from a source ("cluster", "node/1",
// "module/NAME") with a name ("vpn-changed").
type Event struct {
	Source  string
	Name    string
	Payload []byte
	// Received is when the agent got it; its handler may have had to wait since.
	Received time.Time
}

// Channel is where the event came from, in the form <source>/event/<name>.
func (e Event) Channel() string { return fmt.Sprintf("%s/event/%s", e.Source, e.Name) }
