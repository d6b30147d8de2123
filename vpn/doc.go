// Package vpn brings this node's end of the cluster's WireGuard star to what
// the cluster's records say.
//
// The way of a change is a straight line of values:
//
//	Cluster ─┐
//	State   ─┼─ Want ─→ Desired ─┐
//	Resolved ┘                   ├─ Diff ─→ Plan ─→ Device.Apply
//	State   ─────────────────────┘
//
// Cluster is what Redis says, State what the kernel says, Resolved what the
// name service says. Want and Diff are pure functions. All judgement is in
// them, so that it can be tested without a kernel; a Device only converts and
// calls. Reconciler walks the line once, names every failure, and keeps
// wg0.conf in step, so that wg-quick restores at boot what was there.
//
// The subpackages hold the Device of a real host (netdev), the WireGuard
// engine for kernels without one (userspace), and a simulated device with the
// conformance suite that both devices pass (vpntest).
package vpn
