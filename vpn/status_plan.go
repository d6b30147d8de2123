package vpn

import (
	"fmt"
	"slices"
	"strings"
)

// records names the records that cannot be used as they stand.
func (j *judge) records(warnings []Warning) {
	for _, w := range warnings {
		do := "correct the records in the leader's Redis"
		if w.Node != 0 {
			do = fmt.Sprintf("correct node/%d/vpn in the leader's Redis, or remove the node and let it join again", w.Node)
		}
		j.add(ProblemRecord, w.Node, w.Text, do)
	}
}

// differences finds what apply-vpn-routes would change. A node that it would
// leave alone differs in nothing.
func (j *judge) differences() {
	if j.Failed[AskRecords] != nil || j.Failed[AskInterface] != nil || !j.State.Exists || !j.State.HasNetwork() {
		return
	}
	want, warnings := Want(j.Cluster, j.memory(), j.State, j.Found)
	j.plan, j.notes = Diff(j.State, want), want.Notes
	j.records(slices.DeleteFunc(warnings, func(w Warning) bool {
		// The link of such a node is dead, and this is named with that.
		return j.dead[w.Node] && strings.HasPrefix(w.Text, "the record has no endpoint")
	}))
	if j.plan.LinkUp {
		j.add(ProblemInterface, j.Cluster.Self, "wg0 is down", applyHint)
	}
	adopted := j.missingRoutes()
	other := adopted + len(j.plan.Peers) + len(j.plan.Freed) + len(j.plan.Stale)
	if j.plan.Address.IsValid() {
		other++
	}
	if other > 0 {
		j.add(ProblemDifference, j.Cluster.Self,
			fmt.Sprintf("wg0 is not what Redis says (%s in the list of differences)", count(other, "change", "changes")), applyHint)
	}
}

const applyHint = "run apply-vpn-routes, as the node agent does every 30 s if it runs here"

// mostNamed is how many missing routes are named in one line.
const mostNamed = 3

// missingRoutes names the routes that are not there, and counts those that are,
// but not as they should be.
func (j *judge) missingRoutes() (adopted int) {
	var named []string
	total := 0
	for _, c := range j.plan.Routes {
		if c.Adopt {
			adopted++
			continue
		}
		if total++; total <= mostNamed {
			named = append(named, c.Dst.Addr().String()+j.ownerNote(c))
		}
	}
	if total == 0 {
		return adopted
	}
	text := strings.Join(named, ", ")
	if total > mostNamed {
		text += fmt.Sprintf(" and %d more", total-mostNamed)
	}
	j.add(ProblemRoute, j.Cluster.Self, "no route through wg0 to "+text, applyHint)
	return adopted
}

// ownerNote says whose address a route leads to.
func (j *judge) ownerNote(c RouteChange) string {
	for _, n := range j.nodes {
		if n.Address == c.Dst.Addr() || slices.Contains(n.Destinations, c.Dst.Addr()) {
			return fmt.Sprintf(" (node %d)", n.ID)
		}
	}
	return ""
}
