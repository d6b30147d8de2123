package main

const agentHelp = `Takes tasks from the Redis list <agent id>/tasks, runs each as an action made
of ordered steps, and writes status, progress and results back. Handles events.

Actions are compiled in (agents cluster and node/N) and found in directories: a
file DIR/ACTION/STEP is a step, and replaces a compiled-in step of that name.

Settings are environment variables. What is wrong with them is said at start:

  REDIS_ADDRESS           where tasks come from and results go (127.0.0.1:6379)
  REDIS_USER              who it logs in as, if there is a password (the agent id)
  REDIS_PASSWORD          its password (none: no login)
  REDIS_REPLICA_ADDRESS   where events are listened for (REDIS_ADDRESS)
  AGENT_POLLING_INTERVAL  heartbeat of running tasks (5s)
  MAX_CONCURRENCY         tasks, and separately events, running at once (32)
  OVERLOAD_SLEEP          how long an event, and with --reject-when-busy a task,
                          waits for its turn; then it is rejected (500ms)
  AGENT_OUTPUT_LIMIT      bytes kept of each output stream of a task (16777216)
  AGENT_LOG_LEVEL         least urgent lines that are logged: debug, info, warning
                          or error (info, at which each step has its line); what
                          steps print to stderr is passed on at every level
  AGENT_STATE_DIR         working directory, holds the file environment and the
                          directory agent-journal (the directory it is started in)
  AGENT_INSTALL_DIR       holds validator-definitions.json, to which schemas may
                          refer (none); read when such a schema is checked
  AGENT_LEADER_SILENCE    of node agents: how long the leader is silent before the
                          node follows another that was prepared to lead and
                          says that it does; or off (30s)
  CORE_VERSION            version that nodes compare when one joins (that of
                          this software)

agent-journal remembers which tasks were started. A task that was running when
the agent was killed ends as aborted, with exit code 12, at the next start; or is
run again, three times at most, if its action is declared to do no harm then: by
its line in DIR/repeatable.

SIGUSR1 ends it when nothing runs any more, with exit code 0. SIGTERM ends it
within a second, and running tasks are aborted, with exit code 14: steps get
SIGTERM, and those that take longer than 0.6 s to end are not waited for. It
exits with 1 if it cannot start, and with 2 if it is called wrongly. It logs to
stderr, each line with its level in front, as in sd-daemon(3).`

const agentExamples = `  agent --agentid=cluster --actionsdir=/var/lib/nethserver/cluster/actions
  agent --agentid=node/1 --actionsdir=/usr/local/agent/actions --eventsdir=/usr/local/agent/events
  REDIS_ADDRESS=cluster-leader:6379 AGENT_POLLING_INTERVAL=2s agent --agentid=module/mail1 --actionsdir=actions`
