package vpn

import (
	"errors"
	"fmt"
	"io/fs"
)

// judge turns facts into problems. A problem that follows from another is not
// named: of a node whose link is dead, only that.
type judge struct {
	Facts
	nodes []Node       // as far as they are known
	peers map[int]Peer // by node id
	dead  map[int]bool // nodes that should be peers and whose link is not up

	plan     Plan
	notes    []Warning
	problems []Problem
}

func newJudge(f Facts) *judge {
	j := &judge{Facts: f, nodes: f.known(), peers: make(map[int]Peer), dead: make(map[int]bool)}
	owners := (&wanter{c: f.Cluster, now: f.State}).reservedKeys()
	peers := f.State.ByKey()
	for _, n := range j.nodes {
		if owner, shared := owners[n.PublicKey]; shared && owner != n.ID {
			continue // a cloned machine: the link is not its own
		}
		owners[n.PublicKey] = n.ID
		if p, exists := peers.Get(n.PublicKey); exists {
			j.peers[n.ID] = p
		}
	}
	return j
}

func (j *judge) add(kind ProblemKind, node int, why, do string) {
	j.problems = append(j.problems, Problem{Kind: kind, Node: node, Why: why, Do: do})
}

// judge goes from what everything else rests on to what rests on it.
func (j *judge) judge() {
	if !j.machine() {
		return
	}
	if !j.member() {
		return
	}
	j.device()
	j.links()
	j.leader()
	j.records(j.Warnings)
	j.differences()
	j.replication()
	j.agents()
	j.unanswered(AskNames, AskFile, AskHosts)
}

// machine says whether this is a node, and may be looked at.
func (j *judge) machine() bool {
	err := j.Failed[AskMachine]
	switch {
	case err == nil:
		return true
	case errors.Is(err, fs.ErrPermission):
		j.add(ProblemNotRoot, 0, "only root may look: "+fileReason(err), "call it as root")
	case errors.Is(err, fs.ErrNotExist):
		j.add(ProblemUnprepared, 0, "this machine is not prepared to be a node: "+fileReason(err),
			"run agent setup-node, then create a cluster or join one")
	default:
		j.add(ProblemUnprepared, 0, fmt.Sprintf("this machine's own settings cannot be read: %v", err),
			"repair what it names; agent setup-node writes what is missing")
	}
	return false
}

// fileReason names the file that an error is about, without what wraps it.
func fileReason(err error) string {
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return file.Error()
	}
	return err.Error()
}

// member says whether there is a cluster, as far as that is known, and this node
// is in it.
func (j *judge) member() bool {
	switch err := j.Failed[AskRecords]; {
	case err != nil && j.Cluster.Network.IsValid():
		j.add(ProblemUnknown, 0, fmt.Sprintf("the cluster's records cannot be read: %v", err),
			"repair them in the leader's Redis")
		return true
	case err != nil:
		j.add(ProblemUnknown, j.Cluster.Self, "Redis here cannot be asked: "+lastReason(err.Error()),
			checkRedis)
		return true
	case !j.Cluster.Network.IsValid():
		j.add(ProblemNoCluster, 0, "this node is in no cluster yet",
			"make one with api-cli run create-cluster, or join one: agent join-request prints what add-node on its leader has to know")
		return false
	}
	_, recorded := j.Cluster.Node(j.Cluster.Self)
	where := "here"
	if recorded && j.Leader != nil && !j.Leader.Recorded {
		recorded, where = false, "on the leader"
	}
	if !recorded {
		j.add(ProblemRemoved, j.Cluster.Self,
			fmt.Sprintf("it is in the cluster no more: Redis %s has no record node/%d/vpn", where, j.Cluster.Self),
			"it keeps what it has; to join again, begin with agent join-request")
	}
	return recorded
}

func (j *judge) leads() bool { return j.Cluster.Self == j.Cluster.Leader }

// device looks at wg0 itself.
func (j *judge) device() {
	err := j.Failed[AskInterface]
	switch {
	case errors.Is(err, fs.ErrPermission):
		j.add(ProblemNotRoot, 0, fmt.Sprintf("only root may look at wg0: %v", err), "call it as root")
	case err != nil:
		j.add(ProblemUnknown, j.Cluster.Self, "wg0 cannot be read: "+lastReason(err.Error()),
			"bring it up anew with systemctl restart wg-quick@wg0")
	case !j.State.Exists:
		j.add(ProblemInterface, j.Cluster.Self, "there is no WireGuard interface wg0", "run apply-vpn-routes, which brings it up")
	case !j.State.HasNetwork():
		j.add(ProblemNoNetwork, j.Cluster.Self, "this machine has no network address besides those of the VPN",
			"check its network; the VPN follows by itself")
	}
}

// unanswered names questions that nothing else depends on.
func (j *judge) unanswered(questions ...Question) {
	for _, q := range questions {
		if err := j.Failed[q]; err != nil {
			j.add(ProblemUnknown, j.Cluster.Self, err.Error(), "repair what it names")
		}
	}
}
