package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// List returns the deployments whose journals are under dir, the newest first; environment and service may be empty for all. Journals
// that cannot be read are left out, and their errors joined: the others are returned all the same.
func List(dir, environment, service string) ([]Deployment, error) {
	files, err := find(dir, environment, service)
	all, errs := make([]Deployment, len(files)), make([]error, len(files))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		group.Go(func() error { all[i], errs[i] = load(dir, file); return nil })
	}
	_ = group.Wait() // each has an error of its own
	broken := func(d Deployment) bool { return d.ID == "" }
	return newestFirst(slices.DeleteFunc(all, broken)), errors.Join(err, errors.Join(errs...))
}

// Newest returns the newest id of a service's deployments, by the names of their journals alone; empty for none.
func Newest(dir, environment, service string) string {
	files, _ := find(dir, environment, service) // what cannot be read is told by who reads it
	newest := ""
	for _, file := range files {
		id, _ := unescape(strings.TrimSuffix(filepath.Base(file), extension))
		newest = max(newest, id)
	}
	return newest
}

// find returns the names of the journals, without reading them.
func find(dir, environment, service string) ([]string, error) {
	var files []string
	environments, err := below(dir, environment)
	for _, at := range environments {
		services, failed := below(at, service)
		err = errors.Join(err, failed)
		for _, at := range services {
			entries, failed := os.ReadDir(at)
			err = errors.Join(err, missingIsEmpty(failed))
			for _, entry := range entries {
				if strings.HasSuffix(entry.Name(), extension) {
					files = append(files, filepath.Join(at, entry.Name()))
				}
			}
		}
	}
	return files, err
}

// below returns the directory of a name under dir, or those of all names.
func below(dir, name string) ([]string, error) {
	if name != "" {
		return []string{filepath.Join(dir, escape(name))}, nil
	}
	entries, err := os.ReadDir(dir)
	var found []string
	for _, entry := range entries {
		if _, ok := unescape(entry.Name()); ok && entry.IsDir() {
			found = append(found, filepath.Join(dir, entry.Name()))
		}
	}
	return found, missingIsEmpty(err)
}

func missingIsEmpty(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("reading the journals: %w", err)
}

// load reads a journal that must be of the deployment that its name says. One that is broken, or empty, has no id.
func load(dir, name string) (Deployment, error) {
	d, err := Load(name)
	if err == nil && d.ID != "" && name != File(dir, d.Environment, d.Service, d.ID) {
		err = &LineError{File: name, Line: 1, Text: fmt.Sprintf("it is of deployment %s of %s on %s: the file was moved", d.ID, d.Service, d.Environment)}
	}
	if err != nil {
		return Deployment{}, err
	}
	return d, nil
}

func newestFirst(all []Deployment) []Deployment {
	slices.SortFunc(all, func(a, b Deployment) int { return cmp.Or(cmp.Compare(b.ID, a.ID), b.Began.Compare(a.Began)) })
	return all
}

// Merge joins the deployments known here and those known elsewhere, the newest first. Of two records of one deployment the more advanced
// wins: more runs, then finished over unfinished, then more events, then the one of which less is left out.
func Merge(local, shared []Deployment) []Deployment {
	byID := map[string]Deployment{}
	for _, d := range slices.Concat(local, shared) {
		if known, ok := byID[d.ID]; !ok || known.compare(d) < 0 {
			byID[d.ID] = d
		}
	}
	var all []Deployment
	for _, d := range byID {
		all = append(all, d)
	}
	return newestFirst(all)
}

func (d Deployment) compare(other Deployment) int {
	finished := func(d Deployment) int {
		if d.Finished() {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(len(d.Runs), len(other.Runs)), cmp.Compare(finished(d), finished(other)),
		cmp.Compare(d.Events, other.Events), cmp.Compare(len(other.Trimmed), len(d.Trimmed)))
}
