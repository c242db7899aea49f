//go:build unix && !linux

package fleettest

import (
	"errors"
	"os"
)

const canPTY = false

func openPTY(*ptyRequest) (master, slave *os.File, err error) {
	return nil, nil, errors.New("terminals are for Linux only")
}
