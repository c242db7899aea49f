//go:build unix

package fleettest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// unitProcessExit is the MESSAGE_ID of systemd's line about the end of a unit's process.
const unitProcessExit = "98e322203f7a4ed290d09fe03c09fe15"

// journalctl answers queries by unit (-u: the service's lines and systemd's own), by invocation (the service's lines alone), and for the ends
// of a unit's processes.
func (n *Node) journalctl(c *call) int {
	query, problem := parseJournalctl(c.args)
	if problem != "" {
		c.errorf("%s\n", problem)
		return 1
	}
	found := n.journal.last(query.lines, query.match)
	if query.reverse {
		slices.Reverse(found)
	}
	for _, l := range found {
		switch query.output {
		case "cat":
			c.printf("%s\n", l.text)
		case "export":
			c.printf("MESSAGE=%s\nINVOCATION_ID=%s\n\n", l.text, l.ended)
		case "short-iso":
			c.printf("%s %s %s[%d]: %s\n", l.at.Format("2006-01-02T15:04:05-0700"), n.Name, l.identifier, l.pid, l.text)
		default:
			c.printf("%s\n", l.short(n.Name))
		}
	}
	if len(found) == 0 && !query.quiet {
		c.printf("-- No entries --\n")
	}
	return 0
}

type journalQuery struct {
	unit, invocation, output string
	lines                    int
	since                    time.Time
	quiet, reverse, ends     bool
}

func (q journalQuery) match(l line) bool {
	if q.invocation != "" && l.invocation != q.invocation || q.unit != "" && l.unit != q.unit {
		return false
	}
	return !l.at.Before(q.since) && (!q.ends || l.ended != "")
}

func parseJournalctl(args []string) (q journalQuery, problem string) {
	q = journalQuery{lines: -1, output: "short"}
	for len(args) > 0 && problem == "" {
		word := args[0]
		args = args[1:]
		name, value, hasValue := strings.Cut(word, "=")
		if !hasValue && len(name) > 2 && (strings.HasPrefix(name, "-n") || strings.HasPrefix(name, "-u") || strings.HasPrefix(name, "-o")) {
			name, value, hasValue = name[:2], name[2:], true
		}
		switch name {
		case "-u", "--unit", "-n", "--lines", "-o", "--output", "-S", "--since":
			if !hasValue {
				if len(args) == 0 {
					return q, "journalctl: option requires an argument -- '" + strings.TrimLeft(name, "-") + "'"
				}
				value, args = args[0], args[1:]
			}
			problem = q.set(name, value)
		case "_SYSTEMD_INVOCATION_ID":
			q.invocation = value
		case "UNIT":
			q.unit = unitName(value)
		case "MESSAGE_ID":
			q.ends = value == unitProcessExit
		case "-r", "--reverse":
			q.reverse = true
		case "-q", "--quiet":
			q.quiet = true
		case "--sync":
			q.lines, q.quiet = 0, true
		case "--no-pager", "--no-hostname", "-a", "--all":
		default:
			problem = "journalctl: unrecognized option '" + word + "'"
		}
	}
	return q, problem
}

func (q *journalQuery) set(name, value string) (problem string) {
	switch name {
	case "-u", "--unit":
		q.unit = unitName(value)
	case "-o", "--output":
		q.output = value
		if value != "cat" && value != "export" && value != "short" && value != "short-iso" {
			return "Unknown output format '" + value + "'."
		}
	case "-n", "--lines":
		lines, err := strconv.Atoi(value)
		if err != nil || lines < 0 {
			return "Failed to parse lines '" + value + "'"
		}
		q.lines = lines
	case "-S", "--since":
		seconds, ok := strings.CutPrefix(value, "@")
		sinceEpoch, err := time.ParseDuration(seconds + "s") // reads fractions too
		if err != nil || !ok {
			return "Failed to parse timestamp: " + value
		}
		q.since = time.Unix(0, 0).Add(sinceEpoch)
	}
	return ""
}
