package schema

import "strconv"

// checkArray applies a rule to an array and its items.
func (w *walker) checkArray(r *arrayRule, array []any, found *outcome) {
	w.checkItems(r, array, found)
	if r.fewest != nil && len(array) < *r.fewest {
		w.report(found, "array_min_items", array, "Number of items must be at least ", strconv.Itoa(*r.fewest))
	}
	if r.most != nil && len(array) > *r.most {
		w.report(found, "array_max_items", array, "Number of items must be at most ", strconv.Itoa(*r.most))
	}
	if r.unique {
		w.checkUnique(array, found)
	}
	if r.contains != nil {
		w.checkContains(r.contains, array, found)
	}
}

// checkItems applies "items" and "additionalItems".
func (w *walker) checkItems(r *arrayRule, array []any, found *outcome) {
	for i, item := range array {
		switch {
		case r.each != nil:
			w.child(r.each, strconv.Itoa(i), item, found)
		case i < len(r.tuple):
			w.child(r.tuple[i], strconv.Itoa(i), item, found)
		case r.additional != nil:
			w.child(r.additional, strconv.Itoa(i), item, found)
		}
	}
	if r.closed && len(array) > len(r.tuple) {
		w.report(found, "array_no_additional_items", array, "Number of items must be at most ", strconv.Itoa(len(r.tuple)))
	}
}

// checkUnique reports each item that equals an earlier one.
func (w *walker) checkUnique(array []any, found *outcome) {
	seen := make(map[string]int, len(array))
	for i, item := range array {
		key, affordable := w.key(item)
		if !affordable {
			return
		}
		if earlier, ok := seen[key]; ok {
			w.report(found, "unique", array, "Items ", strconv.Itoa(earlier), " and ", strconv.Itoa(i), " are equal")
		}
		seen[key] = i
	}
}

// checkContains reports, if no item satisfies a rule, that and what the closest one lacks.
func (w *walker) checkContains(r *rule, array []any, found *outcome) {
	var closest *outcome
	for i, item := range array {
		tried := &outcome{}
		w.child(r, strconv.Itoa(i), item, tried)
		if tried.ok() {
			return
		}
		closest = closer(closest, tried)
	}
	w.report(found, "contains", array, "At least one item must satisfy the schema of \"contains\"")
	if closest != nil {
		w.add(found, closest)
	}
}
