package schema

import (
	"errors"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// pattern is a regular expression that knows its size: the time of a match is,
// at worst, the size times the length of the text.
type pattern struct {
	jsonschema.Regexp

	size int // about the number of its instructions
}

// sizedPattern returns what the engine has compiled: by a [patternReader], but
// it does not say so.
func sizedPattern(compiled jsonschema.Regexp) *pattern {
	if known, ok := compiled.(*pattern); ok {
		return known
	}
	return &pattern{Regexp: compiled, size: len(compiled.String())}
}

var errPatterns = errors.New("its regular expressions are too large")

// patternReader compiles the regular expressions of one schema, up to a size of
// all of them together: a{1000} is eight bytes of text and a thousand instructions.
type patternReader struct {
	left int // of maxPatterns
}

// compile is a [jsonschema.RegexpEngine].
func (p *patternReader) compile(text string) (jsonschema.Regexp, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	size := sizeOf(parsed)
	if p.left -= size; p.left < 0 {
		return nil, errPatterns
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &pattern{Regexp: compiled, size: size}, nil
}

// sizeOf estimates how many instructions an expression becomes, without making
// them. It cannot overflow: the parser bounds repetitions, nested ones too.
func sizeOf(expression *syntax.Regexp) int {
	size := 1 + len(expression.Rune)
	for _, sub := range expression.Sub {
		size += sizeOf(sub)
	}
	if expression.Op == syntax.OpRepeat {
		size *= max(expression.Min, expression.Max, 1)
	}
	return size
}
