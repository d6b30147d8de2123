package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
)

// Execute runs the command that args choose: root, or one of its subcommands.
// root has Args and RunE; args are without the program's name. Execute returns
// the command that was called, and what came of it, see [ExitCode].
func Execute(root *cobra.Command, env Environment, args []string) (called *cobra.Command, err error) {
	redis.SetLogger(silent{})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagError) // also of its subcommands
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	offerVersion(root)
	withoutFiles(root)
	completeBash(root, args)
	return root.ExecuteContextC(context.Background())
}

func flagError(_ *cobra.Command, err error) error { return UsageError{err} }

// withoutFiles keeps shells from offering files where nothing else is known.
func withoutFiles(command *cobra.Command) {
	command.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
}

// Usage turns what a command's arguments lack into a [UsageError].
func Usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return UsageError{err}
		}
		return nil
	}
}

// Interruptible ends with the first SIGINT or SIGTERM. The second ends the
// process, for those who do not want to wait until the work has been wound up.
func Interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals) // before anybody sees that the first has come
		stop()
	}()
	return ctx, stop
}

// silent drops what go-redis logs by itself: its errors come back as values, too.
type silent struct{}

// Printf drops a line.
func (silent) Printf(context.Context, string, ...any) {}
