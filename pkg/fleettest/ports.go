//go:build unix

package fleettest

import (
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ports gives every port that a service is configured with a real one that no other node has.
type ports struct {
	mu   sync.Mutex
	real map[int]int
	held []int // file descriptors
}

// open returns the real port for a configured one.
func (p *ports) open(configured int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if real, ok := p.real[configured]; ok {
		return real, nil
	}
	fd, real, err := reserve()
	if err != nil {
		return 0, fmt.Errorf("reserving a port: %w", err)
	}
	if p.real == nil {
		p.real = map[int]int{}
	}
	p.real[configured] = real
	p.held = append(p.held, fd)
	return real, nil
}

func (p *ports) lookup(configured int) (real int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	real, ok = p.real[configured]
	return real, ok
}

func (p *ports) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fd := range p.held {
		_ = unix.Close(fd)
	}
	p.held = nil
}

// reserve binds a free port and does not listen. While the descriptor is open the kernel gives the port to nobody who asks for any port,
// and yet whoever sets SO_REUSEADDR, as servers do, may listen on it.
func reserve() (fd, port int, err error) {
	syscall.ForkLock.RLock() // no child may inherit the descriptor before it is marked
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, 0, err
	}
	if port, err = bindAny(fd); err != nil {
		_ = unix.Close(fd)
		return 0, 0, err
	}
	return fd, port, nil
}

func bindAny(fd int) (port int, err error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	return bound.(*unix.SockaddrInet4).Port, nil
}
