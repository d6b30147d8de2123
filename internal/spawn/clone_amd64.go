package spawn

// clone starts a process in the memory of this one, clone3(2), which makes one call after another. It
// returns the number of the process, or of an error, negative. A call that fails ends the process with
// exit code 127, and its result is in failed then. The last of the calls is not to return: execve(2).
func clone(args *cloneArgs, calls *call, failed *uintptr) (result uintptr)
