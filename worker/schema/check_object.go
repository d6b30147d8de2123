package schema

import (
	"maps"
	"slices"
	"strconv"
)

// checkObject applies a rule to an object and its members.
func (w *walker) checkObject(r *objectRule, object map[string]any, found *outcome) {
	if r.fewest != nil && len(object) < *r.fewest {
		w.report(found, "array_min_properties", object, "Number of properties must be at least ", strconv.Itoa(*r.fewest))
	}
	if r.most != nil && len(object) > *r.most {
		w.report(found, "array_max_properties", object, "Number of properties must be at most ", strconv.Itoa(*r.most))
	}
	w.spend(costLook * (len(r.required) + len(r.dependencies)))
	for _, name := range r.required {
		if _, ok := object[name]; ok {
			found.score += scoreRequired
		} else {
			w.report(found, "required", object, name, " is required")
		}
	}
	w.checkDependencies(r.dependencies, object, found)
	w.checkNames(r.names, object, found)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		w.checkProperty(r, name, object[name], found)
	}
}

// checkProperty applies all that a rule says of one property.
func (w *walker) checkProperty(r *objectRule, name string, value any, found *outcome) {
	own, mentioned := r.properties[name]
	if mentioned {
		w.child(own, name, value, found)
	}
	matched := false
	for _, pattern := range r.patterns {
		if w.matches(pattern.names, name) {
			matched = true
			w.child(pattern.value, name, value, found)
		}
	}
	switch {
	case matched:
		found.score += scorePattern
	case mentioned:
	case r.closed:
		w.report(found, "additional_property_not_allowed", value, "Additional property ", name, " is not allowed")
	case r.additional != nil:
		w.child(r.additional, name, value, found)
	}
}

// checkNames applies a rule to the names of all properties. A bad name is a
// violation of the object, and so is what is wrong with the name.
func (w *walker) checkNames(names *rule, object map[string]any, found *outcome) {
	if names == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if tried := w.try(names, name); !tried.ok() {
			w.report(found, "invalid_property_name", object, "Property name ", strconv.Quote(name), " is not allowed")
			w.add(found, tried)
		}
	}
}

// checkDependencies applies what the presence of properties brings with it.
func (w *walker) checkDependencies(dependencies []dependency, object map[string]any, found *outcome) {
	for _, dependency := range dependencies {
		if _, ok := object[dependency.property]; !ok {
			continue
		}
		if dependency.rule != nil {
			w.check(dependency.rule, object, found)
		}
		w.spend(costLook * len(dependency.required))
		for _, name := range dependency.required {
			if _, ok := object[name]; !ok {
				w.report(found, "missing_dependency", object, name, " is required where ", dependency.property, " is present")
			}
		}
	}
}
