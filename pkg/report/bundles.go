package report

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/rollpin/rollpin/pkg/bundle"
	"github.com/rollpin/rollpin/pkg/fleet"
)

// Bundle is a line of the list of bundles, as JSON.
type Bundle struct {
	Release  string `json:"release"`
	Service  string `json:"service"`
	Package  string `json:"package"`
	Manager  string `json:"manager"`
	Platform string `json:"platform"`
	Digest   string `json:"digest"`
	Files    int    `json:"files"`
	// Bytes is the size of the files, Packed that of the archive; 0 where only the lock is left.
	Bytes  int64     `json:"bytes"`
	Packed int64     `json:"packed"`
	Used   time.Time `json:"used"`
}

// Bundles are the lines of a list.
func Bundles(all []bundle.Info) []Bundle {
	list := []Bundle{}
	for _, i := range all {
		b := Bundle{
			Release: i.Record.ID, Service: i.Record.Service, Package: i.Record.Package, Manager: i.Record.Manager, Platform: i.Record.Platform,
			Digest: i.Digest(), Files: i.Files, Bytes: i.Bytes, Used: i.Used,
		}
		if i.HasArchive {
			b.Packed = i.Packed
		}
		list = append(list, b)
	}
	return list
}

// WriteBundles lists the bundles of the cache in dir, which may take up to max bytes.
func WriteBundles(w io.Writer, dir string, all []bundle.Info, max int64) error {
	var total int64
	for _, b := range Bundles(all) {
		total += b.Packed
	}
	if _, err := fmt.Fprintf(w, "%s: %s of %s\n", dir, Bytes(total), Bytes(max)); err != nil || len(all) == 0 {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tRELEASE\tPLATFORM\tFILES\tSIZE\tPACKED\tLAST USED")
	for _, b := range Bundles(all) {
		packed := "lock only"
		if b.Packed > 0 {
			packed = Bytes(b.Packed)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", b.Service, b.Release, b.Platform, b.Files, Bytes(b.Bytes), packed, b.Used.Format(time.DateTime))
	}
	return table.Flush()
}

// WriteDifference shows how two releases of a service differ.
func WriteDifference(w io.Writer, service string, d fleet.Difference, color bool) error {
	b := block{style: newStyle(color)}
	b.add("%s: %s -> %s %s", b.bold(service), d.From, d.To, b.dim("("+d.Platform+")"))
	if len(d.Packages) == 0 {
		b.add("packages: the same")
	} else {
		b.add("packages: %d differ", len(d.Packages))
	}
	for _, c := range d.Packages {
		b.add("  %s", Clean(c.String()))
	}
	if d.Files == nil {
		b.add("files: not known, for one of the two was never built")
	} else {
		b.add("files: %d added, %d removed, %d changed; %s of %s", d.Files.Added, d.Files.Removed, d.Files.Changed, Bytes(d.Files.Bytes), Bytes(d.Bytes))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
