package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sshConfig is what the ssh_config files say, in the order in which OpenSSH reads them. The format is that of ssh_config(5).
//
// It is read here and not by a library because a library that misreads a Match line sends a deployment to the wrong place silently.
type sshConfig []block

// block is a run of settings that hold while all conditions do.
type block struct {
	conditions []condition
	settings   []setting
}

// condition is one Host line, or one criterion of a Match line.
type condition struct {
	kind     string // host, originalhost, user, …; "hostline" for Host
	negated  bool
	patterns []string
	place    string
}

// setting is one line. Its keyword is in lower case.
type setting struct {
	keyword string
	args    []string
	place   string // file:line
}

// maxIncludes is OpenSSH's own limit on the depth of Include.
const maxIncludes = 16

// configReader reads files into blocks.
type configReader struct {
	home   string
	blocks sshConfig
}

// readSSHConfig reads the user's and the system's files; those that do not exist are empty. A named file replaces both, "none" stands for no file.
func readSSHConfig(named, home, system string) (sshConfig, error) {
	r := &configReader{home: home}
	switch named {
	case "none":
		return nil, nil
	case "":
		for _, file := range []struct{ path, includes string }{{filepath.Join(home, ".ssh", "config"), filepath.Join(home, ".ssh")}, {system, filepath.Dir(system)}} {
			if err := r.file(file.path, file.includes, nil, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("reading ssh_config: %w", err)
			}
		}
	default:
		if err := r.file(expandHome(named, home), filepath.Join(home, ".ssh"), nil, 0); err != nil {
			return nil, fmt.Errorf("reading ssh_config: %w", err)
		}
	}
	return r.blocks, nil
}

// file reads one file, all of which holds only while outer does; includes is where its relative Include lines start.
func (r *configReader) file(path, includes string, outer []condition, depth int) error {
	if depth > maxIncludes {
		return fmt.Errorf("%s: Include goes deeper than %d files", path, maxIncludes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	conditions := outer
	r.begin(conditions)
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		s, err := parseLine(line)
		s.place = fmt.Sprintf("%s:%d", path, number)
		if err != nil {
			return fmt.Errorf("%s: %w", s.place, err)
		}
		switch s.keyword {
		case "":
		case "host", "match":
			own, err := s.conditions()
			if err != nil {
				return fmt.Errorf("%s: %w", s.place, err)
			}
			conditions = append(outer[:len(outer):len(outer)], own...)
			r.begin(conditions)
		case "include":
			if err := r.include(s, includes, conditions, depth+1); err != nil {
				return err
			}
			r.begin(conditions)
		default:
			if len(s.args) == 0 {
				return fmt.Errorf("%s: %s needs a value", s.place, s.keyword)
			}
			last := &r.blocks[len(r.blocks)-1]
			last.settings = append(last.settings, s)
		}
	}
	return nil
}

func (r *configReader) begin(conditions []condition) {
	r.blocks = append(r.blocks, block{conditions: conditions})
}

func (r *configReader) include(s setting, dir string, conditions []condition, depth int) error {
	for _, arg := range s.args {
		pattern := expandHome(arg, r.home)
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(dir, pattern)
		}
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("%s: Include %s: %w", s.place, arg, err)
		}
		for _, path := range paths {
			if err := r.file(path, dir, conditions, depth); err != nil {
				return fmt.Errorf("%s: Include: %w", s.place, err)
			}
		}
	}
	return nil
}

// conditions turns a Host or Match line into what must hold.
func (s setting) conditions() ([]condition, error) {
	if s.keyword == "host" {
		if len(s.args) == 0 {
			return nil, errors.New("a Host line needs a pattern")
		}
		return []condition{{kind: "hostline", patterns: s.args, place: s.place}}, nil
	}
	if len(s.args) == 0 {
		return nil, errors.New("a Match line needs a criterion")
	}
	var all []condition
	for args := s.args; len(args) > 0; {
		c := condition{place: s.place}
		word, value, joined := strings.Cut(args[0], "=")
		c.kind, c.negated = strings.CutPrefix(strings.ToLower(word), "!")
		args = args[1:]
		if c.kind != "all" && c.kind != "final" && c.kind != "canonical" {
			if !joined {
				if len(args) == 0 {
					return nil, fmt.Errorf("criterion %s of Match needs a value", c.kind)
				}
				value, args = args[0], args[1:]
			}
			c.patterns = strings.Split(value, ",")
		}
		all = append(all, c)
	}
	return all, nil
}

// parseLine splits a line into keyword and arguments; the keyword of an empty line or a comment is empty.
func parseLine(line string) (setting, error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return setting{}, nil
	}
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return setting{keyword: strings.ToLower(line)}, nil
	}
	s := setting{keyword: strings.ToLower(line[:end])}
	rest := strings.TrimLeft(line[end:], " \t")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
	if strings.HasSuffix(s.keyword, "command") { // the rest is for a shell, quotes and all
		s.args = []string{rest}
		return s, nil
	}
	args, err := splitArgs(rest)
	s.args = args
	return s, err
}

// splitArgs splits like OpenSSH: words in single or double quotes, backslash before a quote, a backslash or a space, and # for a comment.
func splitArgs(text string) ([]string, error) {
	var args []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && (strings.IndexByte(`'"\`, text[i+1]) >= 0 || quote == 0 && text[i+1] == ' '):
			i++
			word.WriteByte(text[i])
			inWord = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				args = append(args, word.String())
				word.Reset()
				inWord = false
			}
		case c == '#' && !inWord:
			return args, nil
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		args = append(args, word.String())
	}
	return args, nil
}

func expandHome(path, home string) string {
	if path == "~" {
		return home
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return path
}
