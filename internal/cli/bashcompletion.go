package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// ownBash lets the script for bash work where the package bash-completion is not
// installed, as on a server: it does what is called of that package, and without
// that the script fails with every key. What was typed needs no more splitting
// than at spaces: the words are put together again, and read by the shell.
const ownBash = `
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    __%[1]s_init_completion()
    {
        COMPREPLY=()
        local line=${COMP_LINE:0:COMP_POINT}
        read -ra words <<<"$line"
        if [[ $line == *[[:space:]] ]]; then
            words+=('')
        fi
        cword=$((${#words[@]} - 1))
        cur=${words[cword]}
        prev=${words[cword > 0 ? cword - 1 : 0]}
    }
fi
if ! declare -F _filedir >/dev/null; then
    _filedir()
    {
        local IFS=$'\n' kind=-f
        if [[ ${1-} == -d ]]; then
            kind=-d
        fi
        COMPREPLY=($(compgen $kind -- "$cur"))
        compopt -o filenames
    }
fi
`

// completeBash makes the command "completion bash" print a script that needs no
// package. args are those of the call: a command without subcommands has that one
// only when it is called.
func completeBash(root *cobra.Command, args []string) {
	root.InitDefaultCompletionCmd(args...)
	bash, _, err := root.Find([]string{"completion", "bash"})
	if err != nil || bash.Name() != "bash" {
		return // it is not called
	}
	script := bash.RunE
	bash.RunE = func(command *cobra.Command, args []string) error {
		if err := script(command, args); err != nil {
			return err
		}
		_, err := fmt.Fprintf(command.OutOrStdout(), ownBash, root.Name())
		return err
	}
	bash.Long = strings.Replace(bash.Long, `This script depends on the 'bash-completion' package.
If it is not installed already, you can install it via your OS's package manager.
`, `With the package bash-completion, words with special characters are completed
better, and a script in /etc/bash_completion.d is loaded by itself.
`, 1)
}
