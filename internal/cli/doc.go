// Package cli is what the programs of a node have in common: what they have of
// the process and the machine around it, how they are called, their help and
// their completion in shells, and what an error makes of their exit code.
//
// It is apart from the programs because they are linked apart: one that has to
// start fast imports what it needs, and not all that the agent does. So nothing is
// imported here that only one of them needs.
package cli
