// Package host edits the files and drives the services of one machine: hosts,
// environment files, WireGuard keys, units, wg-quick, firewalld. Every file is
// named below a root directory, "/" in production, so that tests and prepared
// images use the same code. The package knows nothing of Redis.
package host
