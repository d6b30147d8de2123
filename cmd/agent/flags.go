package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// list is a flag that can be repeated; its name stands for a value in the help.
type list struct {
	values *[]string
	name   string
}

var _ pflag.Value = list{}

// Set implements [pflag.Value].
func (l list) Set(value string) error {
	*l.values = append(*l.values, value)
	return nil
}

// String implements [pflag.Value].
func (l list) String() string {
	if l.values == nil {
		return ""
	}
	return strings.Join(*l.values, " ")
}

// Type implements [pflag.Value].
func (l list) Type() string { return l.name }

// GetSlice tells shell completion that the flag can be repeated.
func (l list) GetSlice() []string { return *l.values }

// named is a flag whose value has a name in the help. pflag has back-quotes in
// the description for that, which shell completion then shows.
type named struct {
	pflag.Value

	name string
}

// Type implements [pflag.Value].
func (n named) Type() string { return n.name }

// nameValue gives the value of a flag a name.
func nameValue(flags *pflag.FlagSet, flag, name string) {
	if f := flags.Lookup(flag); f != nil {
		f.Value = named{f.Value, name}
	}
}
