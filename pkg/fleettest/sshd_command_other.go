//go:build !unix

package fleettest

import "errors"

const canPTY = false

func startCommand(string, string, []string, *ptyRequest) (command, error) {
	return nil, errors.New("commands run on unix only")
}
