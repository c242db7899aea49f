// Package journal keeps the append-only record of deployments and folds it back to what is true of them.
//
// There is one file for each deployment, DIR/ENV/SERVICE/ID.jsonl, with the names escaped as in the path of a URL. Each line is one JSON
// object that ends with a newline:
//
//	{"schema":1,"seq":7,"time":"2026-11-21T10:15:02Z","event":"step-started","deployment":"…","service":"api","environment":"production",…}
//
// schema is 1. seq counts lines from 1, without gaps. The other fields are those of rollout.Event, the same that -o json prints. Fields and
// kinds of events may be added within a schema, and a reader passes over those that it does not know; a change of meaning makes a new schema.
// The last line may be torn, by a power cut or a full disk: a reader leaves it out, and a writer that goes on with the file cuts it off. No
// step that it could have announced was begun, because a line is on disk before its step touches a node. Anything else that does not fit is
// an error that names file and line.
package journal

import (
	"net/url"
	"path/filepath"
	"strings"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// schema is that of the lines and of the shared form that this rollpin writes.
const schema = 1

const extension = ".jsonl"

// line is one line of a journal.
type line struct {
	Schema int `json:"schema"`
	Seq    int `json:"seq"`
	rollout.Event
}

// File returns the name of a deployment's journal under dir.
func File(dir, environment, service, id string) string {
	return filepath.Join(dir, escape(environment), escape(service), escape(id)+extension)
}

// escape makes a name that is no path, nor a hidden file.
func escape(name string) string {
	escaped := url.PathEscape(name)
	if strings.HasPrefix(escaped, ".") {
		return "%2E" + escaped[1:]
	}
	return escaped
}

// unescape is the inverse of escape; ok is false for what escape never makes.
func unescape(escaped string) (name string, ok bool) {
	name, err := url.PathUnescape(escaped)
	return name, err == nil && name != "" && escape(name) == escaped
}
