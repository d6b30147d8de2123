package cluster

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"cluster-agent/vpn"
)

// ReplicaLinks reads what a master says of its replicas: the fields
// slaveN:ip=…,port=…,state=online,offset=…,lag=… of INFO, section replication. A replica
// without an address is left out; what else is no number counts as 0.
func ReplicaLinks(fields map[string]string) []vpn.ReplicaLink {
	var links []vpn.ReplicaLink
	for i := range len(fields) {
		line, found := fields[fmt.Sprintf("slave%d", i)]
		if !found {
			continue
		}
		about := map[string]string{}
		for part := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(part, "=")
			about[name] = value
		}
		address, err := netip.ParseAddr(about["ip"])
		if err != nil {
			continue
		}
		links = append(links, vpn.ReplicaLink{
			Address: address, Online: about["state"] == "online",
			Offset: Number(about["offset"]), Silence: Seconds(about["lag"]),
		})
	}
	return links
}

// Number is a field of INFO, and 0 for what is no number.
func Number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Seconds is a field of INFO, and 0 for -1, by which Redis says that it does not know.
func Seconds(text string) time.Duration { return time.Duration(max(Number(text), 0)) * time.Second }
