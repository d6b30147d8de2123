package schema

import (
	"encoding/json"
	"math/big"
	"strconv"
	"unicode/utf8"
)

// checkLiterals applies "const" and "enum".
func (w *walker) checkLiterals(r *rule, value any, found *outcome) {
	if r.constant == nil && r.enum == nil {
		return
	}
	key, affordable := w.key(value)
	if !affordable {
		return
	}
	if r.constant != nil && !r.constant.has(key) {
		w.report(found, "const", value, "Must be ", r.constant.text)
	}
	if r.enum != nil && !r.enum.has(key) {
		w.report(found, "enum", value, "Must be one of ", r.enum.text)
	}
}

// key returns what a value has in common with its equals, see appendKey.
func (w *walker) key(value any) (key string, affordable bool) {
	if w.exhausted() {
		return "", false
	}
	key = string(appendKey(nil, value))
	return key, w.spend(costLook + len(key))
}

// matches tells whether a text matches a pattern.
func (w *walker) matches(p *pattern, text string) bool {
	return w.spend(costLook+len(text)*p.size/matchesPerUnit) && p.MatchString(text)
}

// checkText applies a rule to a string.
func (w *walker) checkText(r *rule, text string, found *outcome) {
	w.spend(len(text))
	if r.text.fewest != nil && utf8.RuneCountInString(text) < *r.text.fewest {
		w.report(found, "string_gte", text, "Length must be at least ", strconv.Itoa(*r.text.fewest))
	}
	if r.text.most != nil && utf8.RuneCountInString(text) > *r.text.most {
		w.report(found, "string_lte", text, "Length must be at most ", strconv.Itoa(*r.text.most))
	}
	if r.text.pattern != nil && !w.matches(r.text.pattern, text) {
		w.report(found, "pattern", text, "Must match the pattern ", r.text.pattern.String())
	}
	if r.format != nil && !r.format(text) {
		w.reportFormat(r, text, found)
	}
}

// checkNumber applies a rule to a number, which never is of any format.
func (w *walker) checkNumber(r *rule, number json.Number, found *outcome) {
	if r.format != nil {
		w.reportFormat(r, number, found)
	}
	if !r.number.demanding() {
		return
	}
	parsed := parseDecimal(number)
	if _, small := parsed.small(); !small {
		w.spend(costFraction)
	}
	value := parsed.rational()
	if limit := r.number.minimum; limit != nil && value.Cmp(limit) < 0 {
		w.report(found, "number_gte", number, "Must be at least ", decimalText(limit))
	}
	if limit := r.number.above; limit != nil && value.Cmp(limit) <= 0 {
		w.report(found, "number_gt", number, "Must be greater than ", decimalText(limit))
	}
	if limit := r.number.maximum; limit != nil && value.Cmp(limit) > 0 {
		w.report(found, "number_lte", number, "Must be at most ", decimalText(limit))
	}
	if limit := r.number.below; limit != nil && value.Cmp(limit) >= 0 {
		w.report(found, "number_lt", number, "Must be less than ", decimalText(limit))
	}
	if factor := r.number.multipleOf; factor != nil && !value.Quo(value, factor).IsInt() {
		w.report(found, "multiple_of", number, "Must be a multiple of ", decimalText(factor))
	}
}

// reportFormat reports a value that is not of the rule's format.
func (w *walker) reportFormat(r *rule, value any, found *outcome) {
	w.report(found, "format", value, "Must be of the format ", r.formatName)
}

// decimalText writes a number of a schema as people do.
func decimalText(number *big.Rat) string {
	if number.IsInt() {
		return number.Num().String()
	}
	digits, exact := number.FloatPrec()
	if !exact || digits > 20 {
		return new(big.Float).SetRat(number).Text('g', 10)
	}
	return number.FloatString(digits)
}
