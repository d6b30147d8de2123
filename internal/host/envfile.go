package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Var is one variable of an environment file.
type Var struct {
	Name, Value string
}

// ReadEnv reads a file of NAME=VALUE lines as systemd's EnvironmentFile= does:
// blank lines, comments (# or ;) and lines without "=" are passed over, values
// may be quoted, the last of several equal names wins. Values over several
// lines are not supported. A missing file is an error that wraps fs.ErrNotExist.
func ReadEnv(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	vars := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, raw, ok := splitEnvLine(line)
		if !ok {
			continue
		}
		value, valueErr := unquoteEnv(raw)
		if valueErr != nil {
			return nil, fmt.Errorf("read environment %s: variable %s: %w", path, name, valueErr)
		}
		vars[name] = value
	}
	return vars, nil
}

// UpdateEnv sets variables in an environment file. Other lines and the order
// are kept, new variables are appended in the given order, a missing file is
// created with the given attributes.
func (f Files) UpdateEnv(ctx context.Context, path string, attr Attr, vars ...Var) (Outcome, error) {
	var outcome Outcome
	err := f.locked(ctx, "env", func() error {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		edited := string(text)
		for _, v := range vars {
			if edited, err = setEnvLine(edited, v); err != nil {
				return err
			}
		}
		outcome, err = WriteFile(path, []byte(edited), attr)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("update environment %s: %w", path, err)
	}
	return outcome, nil
}

// setEnvLine replaces the first line of the variable and drops further ones,
// which would win over it.
func setEnvLine(text string, v Var) (string, error) {
	if v.Name == "" || strings.ContainsAny(v.Name, "= \t\r\n#;\"'") {
		return "", fmt.Errorf("variable %q: not a name", v.Name)
	}
	if strings.ContainsAny(v.Value, "\r\n\x00") {
		return "", fmt.Errorf("variable %s: value of several lines", v.Name)
	}
	assignment := v.Name + "=" + quoteEnv(v.Value)
	var out strings.Builder
	placed := false
	for line := range strings.Lines(text) {
		name, _, ok := splitEnvLine(line)
		if !ok || name != v.Name {
			out.WriteString(line)
			continue
		}
		if !placed {
			placed = true
			out.WriteString(assignment + line[len(strings.TrimRight(line, "\r\n")):])
		}
	}
	if placed {
		return out.String(), nil
	}
	return appendLine(out.String(), assignment), nil
}

// splitEnvLine returns false for lines that set nothing.
func splitEnvLine(line string) (name, value string, ok bool) {
	line = strings.Trim(line, blanks)
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", "", false
	}
	name, value, ok = strings.Cut(line, "=")
	name = strings.Trim(name, blanks)
	return name, strings.Trim(value, blanks), ok && name != ""
}
