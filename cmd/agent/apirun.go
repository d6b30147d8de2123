package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"cluster-agent/internal/cli"
	"cluster-agent/worker"
	"cluster-agent/worker/redisq"
)

const runHelp = `Gives a task to an agent (cluster, unless another is named) and waits for it.
The agent has to be connected to this node's Redis. Within a step, it gives a
subtask of the step's task. If that runs on the same agent, the subtask needs no
free slot there, as MAX_CONCURRENCY says in the README.

Prints the output on stdout, JSON on one line and anything else as a JSON
string, and the task's error text on stderr. On a terminal it shows the progress
meanwhile, and everywhere it says if the agent goes away: then the task is
settled when the agent is back. Ctrl-C cancels the task and waits for its end,
a second Ctrl-C does not wait.

Exit codes:
  0          the action succeeded
  1          it failed, or the task could not be given
  2          the call is wrong, or the action says so
  8          there is no such action
  10         the input does not satisfy the action's schema; the output says where
  12, 14     the agent died, or was stopped, while it ran the action
  13         the task was cancelled before all its steps had run
  124        the task had not ended when --timeout, or Ctrl-C without an agent that
             obeys it, ended the wait; it goes on
  others     the action's own`

const runExamples = `  api-cli run list-actions
  api-cli run node/2/list-actions
  api-cli run add-node --data '{"node_pwh":"…","public_key":"…","endpoint":""}'
  ssh node2 agent join-request | api-cli run add-node --data -
  api-cli run module/mail1/backup --timeout 30m || [ $? = 124 ]`

const (
	clusterAgent    = "cluster"
	taskUser        = "cluster" // on whose behalf tasks are given
	defaultIdleTime = 8 * time.Second
	cancelTime      = 10 * time.Second // how long a cancelled task may take to clean up
)

// runOptions is a call of api-cli run.
type runOptions struct {
	agent    string
	action   string
	data     string
	noWait   bool
	raw      bool
	verbose  bool
	idleTime int           // seconds; 0: do not look for the agent
	timeout  time.Duration // 0: wait as long as it takes
}

func (o runOptions) maxIdle() time.Duration { return time.Duration(o.idleTime) * time.Second }

func apiRunCommand(env *environment) *cobra.Command {
	var o runOptions
	command := &cobra.Command{
		Use:               "run [AGENT/]ACTION",
		Short:             "Give a task to an agent, and wait for it",
		Long:              runHelp,
		Example:           runExamples,
		Args:              cli.Usage(cobra.ExactArgs(1)),
		ValidArgsFunction: env.completeTarget(&o.agent),
		RunE: func(command *cobra.Command, args []string) error {
			ctx, stop := cli.Interruptible(command.Context())
			defer stop()
			if err := o.target(args[0]); err != nil {
				return err
			}
			if o.timeout < 0 || o.idleTime < 0 {
				return cli.UsageError{Err: errors.New("--timeout and --check-idle-time cannot be less than nothing")}
			}
			return runTask(ctx, env, o)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.data, "data", "null", "input of the task; - reads it from stdin")
	flags.StringVarP(&o.agent, "agent", "a", "", "whom to give the task to, another way to write AGENT/ACTION")
	flags.BoolVar(&o.noWait, "nowait", false, "print the task's id and do not wait")
	flags.DurationVar(&o.timeout, "timeout", 0, "wait for at most so long, for example 90s; the task goes on (default as long as it takes)")
	flags.BoolVar(&o.raw, "raw", false, "print the output as it is, whether JSON or not")
	flags.BoolVar(&o.verbose, "verbose", false, "print every news of the task on stderr")
	flags.IntVar(&o.idleTime, "check-idle-time", int(defaultIdleTime.Seconds()), "how long an agent's connection may be idle to count as alive; 0: do not look for the agent")
	nameValue(flags, "data", "JSON")
	nameValue(flags, "agent", "AGENT")
	nameValue(flags, "check-idle-time", "SECONDS")
	completeFlag(command, "agent", env.completeAgents)
	return command
}

// target splits AGENT/ACTION: actions have no slash in their names.
func (o *runOptions) target(text string) error {
	o.action = text
	if at := strings.LastIndex(text, "/"); at >= 0 {
		if o.agent != "" {
			return cli.UsageError{Err: errors.New("the agent is named twice: write either AGENT/ACTION or --agent")}
		}
		o.agent, o.action = text[:at], text[at+1:]
	}
	if o.agent == "" {
		o.agent = clusterAgent
	}
	if o.action == "" {
		return cli.UsageError{Err: errors.New("the action's name is missing")}
	}
	return nil
}

func runTask(ctx context.Context, env *environment, o runOptions) error {
	data := []byte(o.data)
	if o.data == "-" {
		var err error
		if data, err = io.ReadAll(env.Stdin); err != nil {
			return fmt.Errorf("read data from stdin: %w", err)
		}
	}
	if err := checkData(data); err != nil {
		return err
	}
	return env.withLocal(func(connection *redis.Client) error {
		client := redisq.NewClient(connection)
		if err := wantAlive(ctx, client, o); err != nil {
			return err
		}
		ticket, err := client.Submit(ctx, redisq.Order{
			Agent: o.agent, Action: o.action, Data: data, User: taskUser, Parent: os.Getenv("AGENT_TASK_ID"),
		})
		if err != nil {
			return explainReplica(err)
		}
		if o.noWait {
			_, err = fmt.Fprintln(env.Stdout, ticket.ID)
			return errors.Join(err, ticket.Close())
		}
		outcome, err := waitFor(ctx, env, o, client, ticket)
		if err = errors.Join(err, ticket.Close()); err != nil {
			return err
		}
		return tell(env, o, outcome)
	})
}

// wantAlive refuses at once when nobody would take the task.
func wantAlive(ctx context.Context, client *redisq.Client, o runOptions) error {
	if o.idleTime == 0 {
		return nil
	}
	alive, err := client.Alive(ctx, o.agent, o.maxIdle())
	if err != nil {
		return err
	}
	if !alive {
		return fmt.Errorf("agent %s is not connected to this node's Redis: is it running, and is this node the leader?", o.agent)
	}
	return nil
}

// explainReplica says where a task can be given, if not here.
func explainReplica(err error) error {
	if redis.IsReadOnlyError(err) {
		return fmt.Errorf("this node is a worker, tasks are given on the leader (cluster-leader in /etc/hosts): %w", err)
	}
	return err
}

// tell prints the outcome: output to stdout, the rest to stderr.
func tell(env *environment, o runOptions, outcome redisq.Outcome) error {
	if _, err := env.Stderr.Write(outcome.Error); err != nil {
		return err
	}
	if outcome.Replaced {
		fmt.Fprintln(env.Stderr, "The data of this node's Redis were replaced meanwhile, the task's output with them")
	}
	if err := printOutput(env.Stdout, o, outcome.Output); err != nil {
		return err
	}
	if o.verbose {
		fmt.Fprintf(env.Stderr, "%s, exit code %d\n", outcome.Status, outcome.ExitCode)
	}
	if outcome.ExitCode != 0 {
		return cli.ExitError(outcome.ExitCode)
	}
	if outcome.Status != worker.Completed {
		return cli.ExitError(cli.ExitFailure)
	}
	return nil
}

// printOutput prints JSON output compactly, on one line, and other output as a
// JSON string, unless it is wanted raw.
func printOutput(out io.Writer, o runOptions, output []byte) error {
	if len(output) == 0 {
		return nil
	}
	if o.raw {
		_, err := out.Write(output)
		return err
	}
	var compact bytes.Buffer
	if json.Compact(&compact, output) != nil {
		compact.Reset()
		encoder := json.NewEncoder(&compact)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(string(output)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, strings.TrimSpace(compact.String()))
	return err
}
