package lab

import (
	"bytes"
	"net/netip"
	"testing"
)

// question is a query for node1.example.com.
func question(kind byte) []byte {
	return append([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05Node1\x07example\x03com\x00\x00"), kind, 0, 1)
}

func TestDNSAnswer(t *testing.T) {
	t.Parallel()
	d := &DNS{names: map[string][]netip.Addr{}, asked: map[string]int{}}
	d.Set("node1.example.com", netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.2"))
	answer := d.answer(question(typeA))
	want := append([]byte("\x12\x34\x81\x00\x00\x01\x00\x02\x00\x00\x00\x00"), question(typeA)[dnsHeader:]...)
	want = append(want, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\xc0\x00\x02\x01"...)
	want = append(want, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\xc0\x00\x02\x02"...)
	if !bytes.Equal(answer, want) {
		t.Errorf("got  %x\nwant %x", answer, want)
	}
	if answer = d.answer(question(typeAAAA)); answer[7] != 1 || len(answer) != len(question(0))+12+16 {
		t.Errorf("AAAA: %x", answer)
	}
	d.Set("node1.example.com")
	if answer = d.answer(question(typeA)); answer[3] != dnsNoName || answer[7] != 0 {
		t.Errorf("no such name: %x", answer)
	}
	d.SetSilent(true)
	if answer = d.answer(question(typeA)); answer != nil || d.Asked("Node1.example.com") != 4 {
		t.Errorf("silent: %x, asked %d times", answer, d.Asked("node1.example.com"))
	}
	for size := range len(question(typeA)) - 1 {
		if answer = d.answer(question(typeA)[:size]); answer != nil {
			t.Errorf("half a question of %d bytes: %x", size, answer)
		}
	}
}
