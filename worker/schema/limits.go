package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// What a schema may be at most. The engine's time grows with the square of the
// number of schemas inside a schema and of the length of their JSON pointers,
// and with the cube of their depth: 3000 levels, in 24 kB, take it 20 seconds.
// With these bounds every schema is read, or refused, within a few seconds. The
// largest schemas of a cluster have a few hundred parts.
const (
	largestExponent = 1000    // of a number: 1e999999 as an integer has a million digits
	maxDepth        = 200     // levels of objects and arrays
	maxReach        = 1 << 20 // bytes of the JSON pointers to all objects and arrays
	maxPatterns     = 1 << 18 // instructions of all regular expressions
	maxLength       = 1 << 53 // of a text, an array or an object; beyond it integers overflow
	partOverhead    = 64      // what an object or array counts for beside its pointer
)

var (
	errTooDeep  = fmt.Errorf("it is nested deeper than %d levels", maxDepth)
	errTooLarge = errors.New("it has too many parts")
)

// checkSize refuses a schema that is beyond the bounds above.
func checkSize(doc any) error {
	s := sizer{left: maxReach}
	return s.value(doc, 0, 0)
}

// sizer walks a decoded schema.
type sizer struct {
	left int // of maxReach
}

// value measures a value at a depth, with a JSON pointer of a length.
func (s *sizer) value(value any, depth, pointer int) error {
	switch value := value.(type) {
	case json.Number:
		return checkNumber(value)
	case []any:
		if err := s.enter(depth, pointer); err != nil {
			return err
		}
		for i, item := range value {
			if err := s.value(item, depth+1, pointer+1+len(strconv.Itoa(i))); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := s.enter(depth, pointer); err != nil {
			return err
		}
		for name, member := range value {
			if err := s.value(member, depth+1, pointer+1+len(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter counts an object or an array.
func (s *sizer) enter(depth, pointer int) error {
	s.left -= partOverhead + pointer
	switch {
	case depth >= maxDepth:
		return errTooDeep
	case s.left < 0:
		return errTooLarge
	}
	return nil
}

// checkNumber refuses a number whose power of ten or whose digits are beyond
// largestExponent: it is compared as a fraction of integers.
func checkNumber(text json.Number) error {
	number := parseDecimal(text)
	if max(number.magnitude(), -number.magnitude(), len(number.digits)) > largestExponent {
		return fmt.Errorf("number %.40s is out of range", text)
	}
	return nil
}
