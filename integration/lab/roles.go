package lab

// A program that uses the lab is executed again for other parts, as the same file
// with the same arguments; argv[0] says which part. An environment variable would
// be inherited by everything the lab starts.
const (
	roleInit   = "lab-init"
	roleInner  = "lab-inner"
	roleHolder = "lab-holder"
)

// RunRole plays the part that argv[0] names, if it is one of the lab's own, and
// returns the exit code the process has to end with. Call it first in main, or in
// TestMain; ran is false for the program itself, inside and outside.
func RunRole(args []string) (code int, ran bool) {
	switch args[0] {
	case roleInit:
		return runInit(args[1:]), true
	case roleHolder:
		return runHolder(args[1:]), true
	}
	return 0, false
}

// Inside says whether this process runs in the lab's outer namespaces, where New works.
func Inside(args []string) bool { return args[0] == roleInner }
