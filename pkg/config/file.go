package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// FileName is the name that Find looks for.
const FileName = "rollpin.yaml"

//go:embed builtin.yaml
var builtin []byte

// File is a configuration that has no mistake of its own; what Resolve may still find are mistakes of the request and keys left out.
type File struct {
	// name is the file's, for errors; empty without a file.
	name string
	// dir and home are absolute; empty where they are unknown.
	dir, home string
	// root is the file laid over the built-in strategies.
	root *tree
}

// Find returns the path of the rollpin.yaml in dir, or in the nearest directory above it.
func Find(dir string) (path string, ok bool) {
	if path := filepath.Join(dir, FileName); isFile(path) {
		return path, true
	}
	for dir, err := filepath.Abs(dir); err == nil && dir != filepath.Dir(dir); {
		dir = filepath.Dir(dir)
		if path := filepath.Join(dir, FileName); isFile(path) {
			return path, true
		}
	}
	return "", false
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Load reads and checks a whole file. The error is an *Error with every mistake in it.
func Load(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, unreadable(path, err)
	}
	home, _ := os.UserHomeDir() // without a home, ~ stays as it is
	return parse(path, dir, home, data)
}

func unreadable(path string, err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return &Error{[]Problem{{Place: Place{File: path}, Text: fmt.Sprintf("reading the configuration: %v", err)}}}
}

// Empty is the configuration where there is no file: all comes from flags and defaults.
func Empty() *File {
	home, _ := os.UserHomeDir() // as in Load
	return &File{home: home, root: builtinTree()}
}

func builtinTree() *tree {
	root, problems := parseYAML("built-in", builtin)
	if len(problems) > 0 {
		panic(problems[0].String()) // a test would have found it
	}
	return root
}

// parse checks all that the file says: as it stands, and as each environment changes it.
func parse(name, dir, home string, data []byte) (*File, error) {
	root, problems := parseYAML(name, data)
	if root == nil {
		return nil, asError(problems)
	}
	r := &reader{keys: documentKeys(), dir: dir, home: home, problems: problems}
	f := &File{name: name, dir: dir, home: home, root: r.keys.shape.overlay(builtinTree(), withoutExtras(root))}
	r.document(f.root)
	if environments := f.root.get("environments"); environments != nil {
		for _, e := range environments.entries {
			r.environment(f.root, e.value)
		}
	}
	if err := asError(r.problems); err != nil {
		return nil, err
	}
	return f, nil
}

// Services returns the names of the services in the file, sorted.
func (f *File) Services() []string { return f.names("services") }

// Environments returns the names of the environments that the file changes something for, sorted; nodes may be in others too.
func (f *File) Environments() []string { return f.names("environments") }

// Strategies returns the names of the strategies, built in and of the file, sorted.
func (f *File) Strategies() []string { return f.names("strategies") }

func (f *File) names(section string) []string {
	var names []string
	if named := f.root.get(section); named != nil {
		for _, e := range named.entries {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return names
}
