// Package vpntest holds what tests of the VPN stand on: a simulated device that
// keeps the kernel's rules, the conformance suite that it and the real device
// pass, and namespaces in which a test can have a host's network for itself.
package vpntest
