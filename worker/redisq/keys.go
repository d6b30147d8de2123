package redisq

import (
	"strconv"
	"time"
)

// resultTTL is how long outcomes can be read.
const resultTTL = 8 * time.Hour

// contextBeats is how many polling intervals a task's context outlives its
// last heartbeat.
const contextBeats = 12

func queueKey(agent string) string { return agent + "/tasks" }

// inProgressKey is this package's own: tasks taken from the queue stay in this
// list until their result is stored. Each instance has its own, so that two
// agents that were given the same id by mistake leave each other's tasks alone.
func inProgressKey(agent, instance string) string { return agent + "/tasks/in-progress/" + instance }

// presenceKey is this package's own, and never exists: a connection waits for
// it, so that others see the agent in BRPOP.
func presenceKey(agent string) string { return agent + "/presence" }

// probeKey is this package's own: it is written, for a second, to see whether
// Redis takes writes.
func probeKey(agent string) string { return agent + "/tasks/probe" }

func environmentKey(agent string) string { return agent + "/environment" }

func taskKey(agent, task, part string) string { return "task/" + agent + "/" + task + "/" + part }

func progressChannel(agent, task string) string { return "progress/" + agent + "/task/" + task }

// ttl is a time to live as SET takes it.
func ttl(d time.Duration) (unit string, n int64) {
	if d%time.Second == 0 {
		return "ex", int64(d / time.Second)
	}
	return "px", d.Milliseconds()
}

// fractions are seconds as blocking commands take them.
func fractions(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// wholeSeconds is a time to live as EXPIRE takes it; none would delete the key.
func wholeSeconds(d time.Duration) int64 {
	return max(1, int64(d/time.Second))
}
