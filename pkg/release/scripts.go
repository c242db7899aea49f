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

// script returns the script of a name; withManifest the one that also reads or writes manifests.
func script(name string, vars ...shell.Var) shell.Script {
	return shell.Script{Name: name, Vars: vars, Body: text(name)}
}

func withManifest(name string, vars ...shell.Var) shell.Script {
	return shell.Script{Name: name, Vars: vars, Body: text("manifest") + text(name)}
}

func text(name string) string {
	body, err := bodies.ReadFile("sh/" + name + ".sh")
	if err != nil {
		panic("release: " + err.Error())
	}
	return string(body)
}

// FileDate is the date of every file in a release that a package manager installed: the first that a zip file can hold. The same bits on
// every node have the same dates too.
const FileDate = "198001010000.00"

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

// Finish turns what was installed at PATH/releases/ID into the release that record describes, made from lock. All files get the date
// date, [[CC]YY]MMDDhhmm[.SS] in UTC, unless it is empty. It answers with the record, the digest filled in: ParseRecord reads it.
func Finish(path string, record Record, lock, date string) (shell.Script, error) {
	record.Digest = "@DIGEST@"
	text, err := marshal(record)
	if err != nil {
		return shell.Script{}, err
	}
	vars := append(pathAndID(path, record.ID),
		shell.Var{Name: "lock", Value: lock}, shell.Var{Name: "record", Value: text}, shell.Var{Name: "date", Value: date})
	return withManifest("finish", vars...), nil
}

// Verify compares every file, directory and link of a release with the digest in its record. Where it found a difference, and not merely failed,
// its facts have `damaged`.
func Verify(path string, record Record) shell.Script {
	return withManifest("verify", append(pathAndID(path, record.ID), shell.Var{Name: "digest", Value: record.Digest})...)
}

// Aside puts a damaged release aside, so that it can be made anew at its path; Unaside ends that, whichever way it went.
func Aside(path, id string) shell.Script { return script("aside", pathAndID(path, id)...) }

// Unaside removes what Aside put aside if the release was made anew, and brings it back if not.
func Unaside(path, id string) shell.Script { return script("unaside", pathAndID(path, id)...) }

// Switch verifies the release, makes current name it, and writes its record anew.
func Switch(path string, record Record) (shell.Script, error) {
	written, err := marshal(record)
	if err != nil {
		return shell.Script{}, err
	}
	s := withManifest("verify", append(pathAndID(path, record.ID),
		shell.Var{Name: "digest", Value: record.Digest}, shell.Var{Name: "record", Value: written})...)
	s.Name = "switch"
	s.Body += text("switch")
	return s, nil
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

// Packed is what Pack answers with.
type Packed struct {
	// File is the archive on the node, Size its bytes, SHA256 its digest in hex.
	File   string
	Size   int64
	SHA256 string
}

// Pack packs a release into an archive (tar, gzip) that the user who logs in may fetch: the manifest, then files and links, each by its
// path. ParsePacked reads the answer, which has the lock as ReadLock has it too; Discard removes the archive.
func Pack(path, id string) shell.Script { return withManifest("pack", pathAndID(path, id)...) }

// ParsePacked reads the answer of Pack.
func ParsePacked(facts shell.Facts) (Packed, error) {
	size, err := strconv.ParseInt(facts.Get("size"), 10, 64)
	p := Packed{File: facts.Get("bundle"), Size: size, SHA256: facts.Get("sum")}
	if err != nil || p.File == "" || p.SHA256 == "" {
		return Packed{}, fmt.Errorf("reading what was packed: the answer is not complete")
	}
	return p, nil
}

// Discard removes what Pack left.
func Discard(path, id string) shell.Script { return script("discard", pathAndID(path, id)...) }

// Admit makes the place where a bundle for release id may be put by the user who logs in, if need bytes are free there. Its fact `incoming`
// is the file to write.
func Admit(path, id string, need int64) shell.Script {
	return script("admit", append(pathAndID(path, id), shell.Var{Name: "need", Value: strconv.FormatInt(need>>10, 10)})...)
}

// Lend makes a private temporary place where the user who logs in may put a file. Its fact `lent` is the place; Reclaim removes it.
func Lend() shell.Script { return script("lend") }

// Reclaim removes the place that Lend made.
func Reclaim(dir string) shell.Script { return script("reclaim", shell.Var{Name: "dir", Value: dir}) }

// Received says what Receive makes a release of.
type Received struct {
	Record Record
	// SHA256 is the digest of what was sent, in hex.
	SHA256 string
	// Base is the release that a delta is to be applied to; empty where all was sent.
	Base string
	// Share is copy or hardlink: how files of other releases on the node are taken.
	Share string
	// Date is that of Finish.
	Date string
}

// Receive makes the release out of what was sent and verifies all of it. Where the parts do not make the release its facts have `unfit`.
// It answers with the record.
func Receive(path string, r Received) (shell.Script, error) {
	record, err := marshal(r.Record)
	if err != nil {
		return shell.Script{}, err
	}
	return withManifest("receive", append(pathAndID(path, r.Record.ID),
		shell.Var{Name: "digest", Value: r.Record.Digest}, shell.Var{Name: "record", Value: record}, shell.Var{Name: "sum", Value: r.SHA256},
		shell.Var{Name: "base", Value: r.Base}, shell.Var{Name: "share", Value: r.Share}, shell.Var{Name: "date", Value: r.Date})...), nil
}

// ReadManifest prints the manifest of a release as `manifest` facts, a line each.
func ReadManifest(path, id string) shell.Script {
	return script("readmanifest", pathAndID(path, id)...)
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
		Guard:     parseGuard(facts),
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
	s.Debris = slices.Sorted(slices.Values(facts.All("debris")))
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
