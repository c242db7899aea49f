package release

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/rollpin/rollpin/pkg/shell"
)

//go:embed sh/*.sh
var bodies embed.FS

func script(name string, vars ...shell.Var) shell.Script {
	body, err := bodies.ReadFile("sh/" + name + ".sh")
	if err != nil {
		panic("release: " + err.Error())
	}
	return shell.Script{Name: name, Vars: vars, Body: string(body)}
}

func pathAndID(path, id string) []shell.Var {
	return []shell.Var{{Name: "path", Value: path}, {Name: "id", Value: id}}
}

// Probe reads the service's directory; path may begin with ~/. It writes nothing. ParseState reads its answer, and each `problem`
// fact, with the `hint` that follows, is a reason not to deploy.
func Probe(path string) shell.Script {
	return script("probe", shell.Var{Name: "path", Value: path})
}

// Prepare makes room for release id, removing what an interrupted staging left of it.
func Prepare(path, id string) shell.Script {
	return script("prepare", pathAndID(path, id)...)
}

// Finish turns what was installed at PATH/releases/ID into the release that record describes, made from lock.
// It answers with the record, the digest filled in: ParseRecord reads it.
func Finish(path string, record Record, lock string) (shell.Script, error) {
	record.Digest = "@DIGEST@"
	text, err := marshal(record)
	if err != nil {
		return shell.Script{}, err
	}
	vars := append(pathAndID(path, record.ID), shell.Var{Name: "lock", Value: lock}, shell.Var{Name: "record", Value: text})
	return script("finish", vars...), nil
}

// Verify compares every file and link of a release with the digest in its record. Where it found a difference, and not merely failed,
// its facts have `damaged`.
func Verify(path string, record Record) shell.Script {
	return script("verify", append(pathAndID(path, record.ID), shell.Var{Name: "digest", Value: record.Digest})...)
}

// Aside puts a damaged release aside, so that it can be made anew at its path; Unaside ends that, whichever way it went.
func Aside(path, id string) shell.Script { return script("aside", pathAndID(path, id)...) }

// Unaside removes what Aside put aside if the release was made anew, and brings it back if not.
func Unaside(path, id string) shell.Script { return script("unaside", pathAndID(path, id)...) }

// Switch makes current name the release and writes its record anew.
func Switch(path string, record Record) (shell.Script, error) {
	text, err := marshal(record)
	if err != nil {
		return shell.Script{}, err
	}
	return script("switch", append(pathAndID(path, record.ID), shell.Var{Name: "record", Value: text})...), nil
}

// SwitchBack makes current name a release that was current before; its record stays as it was then.
func SwitchBack(path, id string) shell.Script {
	return script("switch", append(pathAndID(path, id), shell.Var{Name: "record", Value: ""})...)
}

// Confirm remembers that the release was seen healthy.
func Confirm(path, id string) shell.Script {
	return script("confirm", pathAndID(path, id)...)
}

// Withdraw removes current: the way back of a first deployment.
func Withdraw(path string) shell.Script {
	return script("withdraw", shell.Var{Name: "path", Value: path})
}

// Remove removes releases, but never the current one. It answers with a `removed` fact for each.
func Remove(path string, ids []string) shell.Script {
	s := script("remove", shell.Var{Name: "path", Value: path})
	s.Args = slices.Clone(ids)
	return s
}

// ReadLock prints the lock of a release as `lock` facts, a line each.
func ReadLock(path, id string) shell.Script {
	return script("lock", pathAndID(path, id)...)
}

// ParseState reads the answer of Probe.
func ParseState(facts shell.Facts) (State, error) {
	state := State{
		Path:      facts.Get("path"),
		Current:   facts.Get("current"),
		Confirmed: facts.Get("confirmed"),
		Records:   map[string]Record{},
		Free:      -1,
	}
	if state.Path == "" {
		return State{}, fmt.Errorf("the probe gave no answer")
	}
	state.Switched, _ = strconv.ParseInt(facts.Get("switched"), 10, 64)
	if free, err := strconv.ParseInt(facts.Get("free"), 10, 64); err == nil {
		state.Free = free
	}
	state.readReleases(facts)
	return state, nil
}

// readReleases sorts what stands under releases/: finished releases, what an interrupted staging or a power cut left, and what is not
// rollpin's, which is left alone.
func (s *State) readReleases(facts shell.Facts) {
	text := map[string]string{}
	id := ""
	for _, fact := range facts {
		switch fact.Key {
		case "release":
			id = fact.Value
			text[id] = ""
		case "record":
			text[id] += fact.Value
		}
	}
	for id, text := range text {
		record, err := parseRecord(text)
		switch {
		case err == nil && record.Schema == schema && record.ID == id && ValidID(id):
			s.Records[id] = record
		case ValidID(id) && record.Schema <= schema:
			s.Leftovers = append(s.Leftovers, id)
		}
	}
	slices.Sort(s.Leftovers)
}

// ParseRecord reads the record that Finish answers with.
func ParseRecord(facts shell.Facts) (Record, error) {
	return parseRecord(facts.Get("record"))
}

func marshal(record Record) (string, error) {
	if !ValidID(record.ID) {
		return "", fmt.Errorf("%q is no release id", record.ID)
	}
	record.Schema = schema
	text, err := json.Marshal(record)
	return string(text), err
}
