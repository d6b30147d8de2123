package schema

// checkBranches applies the rules that combine other rules.
func (w *walker) checkBranches(r *rule, value any, found *outcome) {
	w.checkAnyOf(r.anyOf, value, found)
	w.checkOneOf(r.oneOf, value, found)
	w.checkAllOf(r.allOf, value, found)
	if r.not != nil && w.try(r.not, value).ok() {
		w.report(found, "number_not", value, "Must not satisfy the schema of \"not\"")
	}
	if r.when == nil {
		return
	}
	if w.try(r.when, value).ok() {
		w.checkCondition(r.then, "then", value, found)
	} else {
		w.checkCondition(r.otherwise, "else", value, found)
	}
}

// checkAnyOf reports, if no branch holds, that and what the closest one lacks.
func (w *walker) checkAnyOf(branches []*rule, value any, found *outcome) {
	if len(branches) == 0 {
		return
	}
	var closest *outcome
	for _, branch := range branches {
		tried := w.try(branch, value)
		if tried.ok() {
			return
		}
		closest = closer(closest, tried)
	}
	w.report(found, "number_any_of", value, "Must satisfy at least one of the schemas of \"anyOf\"")
	w.add(found, closest)
}

// checkOneOf reports the closest branch if none holds, but nothing more than
// that if several do.
func (w *walker) checkOneOf(branches []*rule, value any, found *outcome) {
	if len(branches) == 0 {
		return
	}
	var closest *outcome
	holding := 0
	for _, branch := range branches {
		tried := w.try(branch, value)
		if tried.ok() {
			holding++
			continue
		}
		closest = closer(closest, tried)
	}
	if holding == 1 {
		return
	}
	w.report(found, "number_one_of", value, "Must satisfy exactly one of the schemas of \"oneOf\"")
	if holding == 0 {
		w.add(found, closest)
	}
}

// checkAllOf reports what every branch finds, and once that there was something.
func (w *walker) checkAllOf(branches []*rule, value any, found *outcome) {
	before := len(found.violations)
	for _, branch := range branches {
		w.check(branch, value, found)
	}
	if len(found.violations) > before {
		w.report(found, "number_all_of", value, "Must satisfy all the schemas of \"allOf\"")
	}
}

// checkCondition applies the part of an if that was chosen.
func (w *walker) checkCondition(chosen *rule, keyword string, value any, found *outcome) {
	if chosen == nil {
		return
	}
	tried := w.try(chosen, value)
	if tried.ok() {
		return
	}
	w.report(found, "condition_"+keyword, value, "Must satisfy the schema of \"", keyword, "\", as \"if\" chose it")
	w.add(found, tried)
}

// closer returns the outcome with the higher score, the earlier one of equals.
func closer(closest, tried *outcome) *outcome {
	if closest == nil || tried.score > closest.score {
		return tried
	}
	return closest
}
