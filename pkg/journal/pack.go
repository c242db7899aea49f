package journal

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rollpin/rollpin/pkg/rollout"
)

// The bounds of what Unpack takes: bytes of JSON, and commas, which bound how many values come of them.
const (
	maxUnpacked = 16 << 20
	maxCommas   = 1 << 19
)

// packed is the shared form before it is compressed.
type packed struct {
	Schema     int        `json:"schema"`
	Deployment Deployment `json:"deployment"`
}

// trim is one way to make a deployment smaller.
type trim struct {
	what string
	do   func(*Deployment)
}

// trims are in the order in which they are tried, each on top of those before.
func trims() []trim {
	return []trim{
		{"the output of failures", func(d *Deployment) { d.Log = nil; d.failures(func(f *rollout.Failure) { f.Log = nil }) }},
		{"the steps of nodes", func(d *Deployment) { d.each(func(n *Node) { n.Steps = nil }) }},
		{"the ends of long texts", func(d *Deployment) { d.cut(160) }},
		{"all but the beginnings of texts", func(d *Deployment) { d.cut(30) }},
		{"hints, notes and changes", func(d *Deployment) {
			d.Notes, d.Release.Changes, d.Release.Notes, d.Problems = nil, nil, nil, nil
			d.failures(func(f *rollout.Failure) { f.Hint = "" })
		}},
	}
}

// TooLargeError says that a deployment cannot be shared.
type TooLargeError struct {
	ID string
	// Size is what it needs and Limit what there is, in bytes.
	Size, Limit int
}

// Error says by how much.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the record of deployment %s has %d bytes even in its shortest form, more than %d", e.ID, e.Size, e.Limit)
}

// Pack returns the shared form of a deployment: JSON with a schema, compressed by gzip, of limit bytes or fewer. To fit, it leaves out the
// output of failures, then the single steps, then shortens texts; Trimmed says so, and Host and File where the whole is. It fails with a
// *TooLargeError when nothing helps.
func Pack(d Deployment, limit int) ([]byte, error) {
	text, err := pack(d)
	if err != nil || len(text) <= limit {
		return text, err
	}
	d.Nodes, d.Trimmed = slices.Clone(d.Nodes), slices.Clone(d.Trimmed)
	for _, t := range trims() {
		t.do(&d)
		d.Trimmed = append(d.Trimmed, t.what)
		if text, err = pack(d); err != nil || len(text) <= limit {
			return text, err
		}
	}
	return nil, &TooLargeError{ID: d.ID, Size: len(text), Limit: limit}
}

func pack(d Deployment) ([]byte, error) {
	if d.First != nil && d.Plan != nil && d.First.Digest == d.Plan.Digest {
		d.First = nil // Unpack knows
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	encoder := json.NewEncoder(zipped)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(packed{schema, d}); err != nil {
		return nil, fmt.Errorf("packing the record of deployment %s: %w", d.ID, err)
	}
	err := zipped.Close()
	return out.Bytes(), err
}

// Unpack reads what Pack made. What would need too much memory is an error.
func Unpack(text []byte) (Deployment, error) {
	d, err := unpack(text)
	if err != nil {
		return Deployment{}, fmt.Errorf("reading the shared record of a deployment: %w", err)
	}
	return d, nil
}

func unpack(text []byte) (Deployment, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return Deployment{}, err
	}
	plain, err := io.ReadAll(io.LimitReader(zipped, maxUnpacked+1))
	if err != nil {
		return Deployment{}, err
	}
	if len(plain) > maxUnpacked || bytes.Count(plain, []byte(",")) > maxCommas {
		return Deployment{}, fmt.Errorf("it is larger than any that rollpin writes")
	}
	var p packed
	err = json.Unmarshal(plain, &p)
	switch {
	case p.Schema > schema:
		return Deployment{}, fmt.Errorf("its schema is %d, this rollpin knows %d: read it with a newer rollpin", p.Schema, schema)
	case err != nil:
		return Deployment{}, err
	case p.Schema != schema || p.Deployment.ID == "":
		return Deployment{}, fmt.Errorf("it is none of rollpin's")
	}
	if p.Deployment.First == nil {
		p.Deployment.First = p.Deployment.Plan
	}
	return p.Deployment, nil
}

func (d *Deployment) each(do func(*Node)) {
	for i := range d.Nodes {
		do(&d.Nodes[i])
	}
}

// failures changes copies of all failures: the original is still in use.
func (d *Deployment) failures(change func(*rollout.Failure)) {
	d.each(func(n *Node) {
		for _, f := range []**rollout.Failure{&n.Failure, &n.Undo} {
			if *f == nil {
				continue
			}
			copied := **f
			change(&copied)
			*f = &copied
		}
	})
}

// cut shortens the texts of failures, problems and notes to so many bytes.
func (d *Deployment) cut(size int) {
	shorten := func(text *string) {
		if len(*text) > size {
			*text = strings.ToValidUTF8((*text)[:size], "") + "…"
		}
	}
	d.failures(func(f *rollout.Failure) { shorten(&f.Text); shorten(&f.Hint) })
	shorten(&d.Reason)
	shorten(&d.Hint)
	d.Problems, d.Notes = slices.Clone(d.Problems), slices.Clone(d.Notes)
	for i := range d.Problems {
		shorten(&d.Problems[i].Text)
		shorten(&d.Problems[i].Hint)
	}
	for i := range d.Notes {
		shorten(&d.Notes[i].Text)
	}
}
