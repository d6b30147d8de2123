package schema

import (
	"errors"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp/syntax"
	"strings"
	"time"
)

// format decides whether a text is of a format.
type format func(text string) bool

// errFormat is all the engine is told; violations are worded in this package.
var errFormat = errors.New("does not match the format")

// formats lists the formats that are checked. All others are ignored, those
// the engine knows too: another agent of the cluster accepts any text for them.
func formats() map[string]format {
	return map[string]format{
		"date":                  inLayouts(time.DateOnly),
		"date-time":             inLayouts(time.DateOnly, time.TimeOnly, timeWithZone, time.RFC3339),
		"email":                 isEmail,
		"hostname":              isHostname,
		"idn-email":             isEmail,
		"ipv4":                  isIPv4,
		"ipv6":                  isIPv6,
		"iri":                   isURI,
		"iri-reference":         isURIReference,
		"json-pointer":          isJSONPointer,
		"regex":                 isRegex,
		"relative-json-pointer": isRelativePointer,
		"time":                  inLayouts(time.TimeOnly, timeWithZone),
		"uri":                   isURI,
		"uri-reference":         isURIReference,
		"uri-template":          isURITemplate,
		"uuid":                  isUUID,
	}
}

// asEngineFormat wraps a format for the engine, which asks about every value.
func asEngineFormat(accepts format) func(any) error {
	return func(value any) error {
		if text, ok := value.(string); ok && !accepts(text) {
			return errFormat
		}
		return nil
	}
}

// timeWithZone is a time of day as RFC 3339 writes it.
const timeWithZone = "15:04:05Z07:00"

// inLayouts accepts what time.Parse reads in one of the layouts, so fractions
// of a second too, but no leap second.
func inLayouts(layouts ...string) format {
	return func(text string) bool {
		for _, layout := range layouts {
			if _, err := time.Parse(layout, text); err == nil {
				return true
			}
		}
		return false
	}
}

// isRegex accepts what Go can compile, for that is what will have to run it.
// All that can fail of that is to parse it; the rest takes up to 100 MB.
func isRegex(text string) bool {
	_, err := syntax.Parse(text, syntax.Perl)
	return err == nil
}

// isEmail accepts an address of RFC 5322, with a display name or without.
func isEmail(text string) bool {
	_, err := mail.ParseAddress(text)
	return err == nil
}

// isHostname accepts the names of RFC 1123, without a dot at the end. An IPv4 address is one.
func isHostname(text string) bool {
	if len(text) > 255 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// isLabel accepts one part of a host name: letters, digits, and hyphens between them.
func isLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return strings.IndexFunc(label, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}) < 0
}

// isIPv4 accepts a dotted address, mapped into IPv6 too: ::ffff:10.0.0.1.
func isIPv4(text string) bool {
	return strings.Contains(text, ".") && isIP(text)
}

// isIPv6 accepts an address with colons.
func isIPv6(text string) bool {
	return strings.Contains(text, ":") && isIP(text)
}

func isIP(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Zone() == ""
}

// isURI accepts a URI with a scheme.
func isURI(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && parsed.Scheme != "" && !strings.Contains(text, `\`)
}

// isURIReference accepts a URI, or what is relative to one.
func isURIReference(text string) bool {
	_, err := url.Parse(text)
	return err == nil && !strings.Contains(text, `\`)
}

// isURITemplate accepts a reference whose path closes every brace it opens.
func isURITemplate(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && !strings.Contains(text, `\`) && closesBraces(parsed.Path)
}

func closesBraces(text string) bool {
	for {
		_, inside, opened := strings.Cut(text, "{")
		if !opened {
			return true
		}
		_, rest, closed := strings.Cut(inside, "}")
		if !closed {
			return false
		}
		text = rest
	}
}

// isJSONPointer accepts the pointers of RFC 6901, in which ~ comes as ~0 or ~1.
func isJSONPointer(text string) bool {
	escapes := strings.Count(text, "~0") + strings.Count(text, "~1")
	return (text == "" || text[0] == '/') && escapes == strings.Count(text, "~")
}

// isRelativePointer accepts a number of levels to go up, without zeros in
// front, and then a pointer or a #.
func isRelativePointer(text string) bool {
	pointer := strings.TrimLeft(text, "0123456789")
	levels := text[:len(text)-len(pointer)]
	if levels == "" || len(levels) > 1 && levels[0] == '0' {
		return false
	}
	return pointer == "#" || isJSONPointer(pointer)
}

// isUUID accepts a UUID of any version, in lower case as the agents write them.
func isUUID(text string) bool {
	const pattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) != len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] == '-' && text[i] != '-' || pattern[i] == 'x' && !strings.ContainsRune("0123456789abcdef", rune(text[i])) {
			return false
		}
	}
	return true
}
