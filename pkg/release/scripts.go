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

// Verify compares every file of a release with the digest in its record.
func Verify(path string, record Record) shell.Script {
	return script("verify", append(pathAndID(path, record.ID), shell.Var{Name: "digest", Value: record.Digest})...)
}

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

// ParseState reads the answer of Probe. It fails on a release.json that no rollpin of this version wrote.
func ParseState(facts shell.Facts) (State, error) {
	state := State{
		Path:      facts.Get("path"),
		Current:   facts.Get("current"),
		Confirmed: facts.Get("confirmed"),
		Leftovers: facts.All("leftover"),
		Records:   map[string]Record{},
	}
	state.Switched, _ = strconv.ParseInt(facts.Get("switched"), 10, 64)
	state.Free, _ = strconv.ParseInt(facts.Get("free"), 10, 64)
	for _, line := range facts.All("record") {
		record, err := parseRecord(line)
		if err != nil {
			return State{}, err
		}
		if !ValidID(record.ID) {
			return State{}, fmt.Errorf("release.json names a release %q", record.ID)
		}
		state.Records[record.ID] = record
	}
	if state.Path == "" {
		return State{}, fmt.Errorf("the probe gave no answer")
	}
	return state, nil
}

// ParseRecord reads the record that Finish answers with.
func ParseRecord(facts shell.Facts) (Record, error) {
	return parseRecord(facts.Get("record"))
}

func marshal(record Record) (string, error) {
	if !ValidID(record.ID) {
		return "", fmt.Errorf("%q is no release id", record.ID)
	}
	record.Schema = 1
	text, err := json.Marshal(record)
	return string(text), err
}
