package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

const (
	// progressKeys are the lists of tasks in progress, as a pattern.
	progressKeys = queueKey + "/in-progress*"
	// mirrorKey copies a file of the agent's, and so has no end.
	mirrorKey = agentID + "/environment"
	// excerpt is how much is read of a long text.
	excerpt = 200
)

// remains is what waits or is in progress.
type remains struct{ queued, progress []string }

func leftBehind(ctx context.Context, client *redis.Client) (remains, error) {
	var left remains
	keys, err := scan(ctx, client, progressKeys)
	if err != nil {
		return left, err
	}
	for _, key := range append(keys, queueKey) {
		payloads, err := members(ctx, client, key)
		if err != nil {
			return left, err
		}
		if key == queueKey {
			left.queued = payloads
		} else {
			left.progress = append(left.progress, payloads...)
		}
	}
	return left, nil
}

// members are what a key holds, if it is a list; else its name, which is not one
// that should be there.
func members(ctx context.Context, client *redis.Client, key string) ([]string, error) {
	payloads, err := client.LRange(ctx, key, 0, -1).Result()
	if err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE") {
		return []string{key}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return payloads, nil
}

// scan lists keys, each once.
func scan(ctx context.Context, client *redis.Client, pattern string) ([]string, error) {
	const step = 1000
	var keys []string
	found := client.Scan(ctx, 0, pattern, step).Iterator()
	for found.Next(ctx) {
		keys = append(keys, found.Val())
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("scan keys: %w", err)
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// eternal are keys without a TTL. What the queue and the lists in progress hold
// is named by itself.
func eternal(ctx context.Context, client *redis.Client) ([]string, error) {
	keys, err := scan(ctx, client, "*")
	if err != nil {
		return nil, err
	}
	var lasting []string
	for chunk := range slices.Chunk(keys, 500) {
		replies, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, key := range chunk {
				pipe.Do(ctx, "ttl", key)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read TTLs: %w", err)
		}
		for i, reply := range replies {
			ttl, ok := reply.(*redis.Cmd)
			if ok && ttl.Val() == int64(-1) && chunk[i] != mirrorKey && chunk[i] != queueKey {
				lasting = append(lasting, chunk[i])
			}
		}
	}
	return lasting, nil
}

// results reads what the keys of all tasks hold.
func results(ctx context.Context, client *redis.Client, tasks []task) (map[string]result, error) {
	all := map[string]result{}
	for chunk := range slices.Chunk(tasks, 200) {
		pipe := client.Pipeline()
		finish := make([]func() result, len(chunk))
		for i, t := range chunk {
			finish[i] = readResult(ctx, pipe, t.ID)
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("read results: %w", err)
		}
		for i, t := range chunk {
			all[t.ID] = finish[i]()
		}
	}
	return all, nil
}

// readResult asks for a result; the function returned puts the replies together.
func readResult(ctx context.Context, pipe redis.Pipeliner, id string) func() result {
	there := map[string]*redis.IntCmd{}
	for _, part := range parts() {
		there[part] = pipe.Exists(ctx, resultKey(id, part))
	}
	code := pipe.Get(ctx, resultKey(id, "exit_code"))
	output := pipe.GetRange(ctx, resultKey(id, "output"), 0, excerpt)
	size := pipe.StrLen(ctx, resultKey(id, "output"))
	errput := pipe.GetRange(ctx, resultKey(id, "error"), 0, excerpt)
	return func() result {
		r := result{Output: output.Val(), Size: int(size.Val()), Error: errput.Val()}
		for _, part := range parts() {
			if there[part].Val() == 0 {
				r.Missing = append(r.Missing, part)
			}
		}
		var err error
		if r.Code, err = code.Int(); err != nil {
			r.Code = -1 // which no task may end with
		}
		return r
	}
}

// readRuns reads which steps ran, and how often.
func readRuns(dir string) (map[string]map[string]int, error) {
	runs := map[string]map[string]int{}
	file, err := os.Open(filepath.Join(dir, "runs"))
	if errors.Is(err, fs.ErrNotExist) {
		return runs, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		id, step, _ := strings.Cut(lines.Text(), " ")
		if runs[id] == nil {
			runs[id] = map[string]int{}
		}
		runs[id][step]++
	}
	if err := errors.Join(lines.Err(), file.Close()); err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	return runs, nil
}
