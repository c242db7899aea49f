// Package bundle keeps the files of releases on this machine, so that every node gets the same bits: a bundle is a release's manifest and
// one archive of its files, named by the digest of the manifest.
//
//	DIR/DIGEST/info.json        what it is, where it came from
//	DIR/DIGEST/manifest         the release's manifest
//	DIR/DIGEST/archive.tar.gz   every file and link of it; goes first when room is needed
//
// It touches no node and asks no clock but for the order of use.
package bundle

import (
	"time"

	"github.com/rollpin/rollpin/pkg/release"
)

// Info is what a bundle is.
type Info struct {
	// Schema is 1.
	Schema int `json:"schema"`
	// Record is the release's, without what belongs to a single node.
	Record release.Record `json:"record"`
	// Path is the service's directory that it was built for; empty where it may stand anywhere.
	Path string `json:"path,omitempty"`
	// Lock is the text of the lock that it was made from.
	Lock string `json:"lock,omitempty"`
	// Date is that of all its files, for release.Receive; empty where each has its own.
	Date string `json:"date,omitempty"`
	// Files and Bytes are what is in it, Packed and SHA256 the size and the digest of its archive.
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
	Packed int64  `json:"packed"`
	SHA256 string `json:"sha256"`
	// Added is when it came here.
	Added time.Time `json:"added"`
	// Used is when it was last used; HasArchive is false where only the lock and the manifest are left. Neither is written down.
	Used       time.Time `json:"-"`
	HasArchive bool      `json:"-"`
}

// Digest names the bundle.
func (i Info) Digest() string { return i.Record.Digest }

// schema is that of the bundles that this rollpin writes; others are left alone.
const schema = 1
