package fleettest

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

const canPTY = true

// openPTY opens a pseudo-terminal with the modes that the client asked for.
func openPTY(request *ptyRequest) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("opening a terminal: %w", err)
	}
	number, slave, err := openSlave(master)
	if err == nil {
		err = setModes(slave, request)
	}
	if err != nil {
		closeAll([]*os.File{master, slave})
		return nil, nil, fmt.Errorf("opening terminal %d: %w", number, err)
	}
	return master, slave, nil
}

func openSlave(master *os.File) (number int, slave *os.File, err error) {
	conn, err := master.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var ioctl error
	err = conn.Control(func(fd uintptr) {
		if ioctl = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); ioctl == nil {
			number, ioctl = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err == nil {
		err = ioctl
	}
	if err != nil {
		return number, nil, err
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	return number, slave, err
}

// setModes honours the few modes that a client of ours asks for: pairs of a code and a 32-bit value, RFC 4254 section 8.
func setModes(slave *os.File, request *ptyRequest) error {
	fd := int(slave.Fd())
	termios, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	for modes := []byte(request.Modes); len(modes) >= 5 && modes[0] != 0; modes = modes[5:] {
		flags, bit := &termios.Lflag, uint32(0)
		switch modes[0] {
		case ssh.ECHO:
			bit = unix.ECHO
		case ssh.ICANON:
			bit = unix.ICANON
		case ssh.ISIG:
			bit = unix.ISIG
		case ssh.OPOST:
			flags, bit = &termios.Oflag, unix.OPOST
		case ssh.ICRNL:
			flags, bit = &termios.Iflag, unix.ICRNL
		}
		if binary.BigEndian.Uint32(modes[1:5]) == 0 {
			*flags &^= bit
		} else {
			*flags |= bit
		}
	}
	return unix.IoctlSetTermios(fd, unix.TCSETS, termios)
}
