package schema

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// exponentCeiling is where exponents stop being counted. It leaves room to
// add to it without overflow.
const exponentCeiling = 1 << 40

// decimal is a JSON number taken apart, exactly: digits times ten to the
// exponent. The digits neither begin nor end with a zero; zero has none.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// parseDecimal takes a number apart. It relies on the JSON decoder having checked the syntax.
func parseDecimal(number json.Number) decimal {
	text, negative := strings.CutPrefix(string(number), "-")
	exponent := 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		exponent = parseExponent(text[at+1:])
		text = text[:at]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	digits := strings.TrimRight(whole+fraction, "0")
	exponent += len(whole) - len(digits)
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return decimal{}
	}
	return decimal{negative: negative, digits: digits, exponent: exponent}
}

// parseExponent reads an exponent; one beyond the ceiling becomes the ceiling.
func parseExponent(text string) int {
	exponent, err := strconv.Atoi(text)
	switch {
	case err != nil && strings.HasPrefix(text, "-"), exponent < -exponentCeiling:
		return -exponentCeiling
	case err != nil, exponent > exponentCeiling:
		return exponentCeiling
	}
	return exponent
}

// integer tells whether the number has no fraction: 3, 3.0 and 3e2 have none.
func (d decimal) integer() bool { return d.exponent >= 0 }

// magnitude is the power of ten just above the number; zero's is 0.
func (d decimal) magnitude() int {
	if d.digits == "" {
		return 0
	}
	return len(d.digits) + d.exponent
}

// appendKey appends a text that equal numbers, and only those, have in common.
func (d decimal) appendKey(key []byte) []byte {
	if d.negative {
		key = append(key, '-')
	}
	key = append(key, d.digits...)
	key = append(key, 'e')
	return strconv.AppendInt(key, int64(d.exponent), 10)
}

// rational returns the number for arithmetic. One whose magnitude or precision
// is beyond twice that of any schema's is brought back there: it compares with
// each bound as before, and costs no million digits.
func (d decimal) rational() *big.Rat {
	number := new(big.Rat)
	if small, ok := d.small(); ok {
		return number.SetInt64(small)
	}
	const limit = 2 * largestExponent
	digits, exponent := d.digits, d.exponent
	if excess := len(digits) - limit; excess > 0 {
		digits, exponent = digits[:limit-1]+"1", exponent+excess
	}
	exponent -= max(d.magnitude()-limit, 0) + min(d.magnitude()+limit, 0)
	value := integerOf(digits)
	if exponent < 0 {
		number.SetFrac(value, powerOfTen(-exponent))
	} else {
		number.SetInt(value.Mul(value, powerOfTen(exponent)))
	}
	if d.negative {
		number.Neg(number)
	}
	return number
}

// integerOf reads decimal digits. It has no way to fail, unlike those of package
// big: nothing would catch what a check of a document has to throw.
func integerOf(digits string) *big.Int {
	value, ten := new(big.Int), big.NewInt(10)
	for _, digit := range []byte(digits) {
		value.Mul(value, ten).Add(value, big.NewInt(int64(digit-'0')))
	}
	return value
}

func powerOfTen(exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
}

// small returns an integer of at most 18 digits, as most are, at once.
func (d decimal) small() (value int64, ok bool) {
	const zeros = "000000000000000000"
	if d.exponent < 0 || d.magnitude() > len(zeros) {
		return 0, false
	}
	value, err := strconv.ParseInt("0"+d.digits+zeros[:d.exponent], 10, 64)
	if d.negative {
		value = -value
	}
	return value, err == nil
}
