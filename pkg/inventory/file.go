package inventory

import (
	"context"
	"fmt"
	"io"
	"os"
)

// maxInput bounds an inventory, from a file or from a program, in bytes.
const maxInput = 16 << 20

// FromFile is the source of the nodes in an inventory file, YAML or JSON by its content. What is wrong in the file is an *InvalidError.
func FromFile(path string) Source { return file(path) }

type file string

func (f file) String() string { return string(f) }

func (f file) Nodes(ctx context.Context, q Query) ([]Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := f.read()
	if err != nil {
		return nil, &InvalidError{[]string{fmt.Sprintf("reading the inventory: %v", err)}}
	}
	nodes, err := decode(f.String(), data)
	if err != nil {
		return nil, err
	}
	return Select(f.String(), nodes, q)
}

func (f file) read() ([]byte, error) {
	opened, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	data, err := io.ReadAll(io.LimitReader(opened, maxInput+1))
	if err == nil && len(data) > maxInput {
		err = fmt.Errorf("%s is larger than %d MiB", f, maxInput>>20)
	}
	return data, err
}
