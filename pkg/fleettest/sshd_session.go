package fleettest

import (
	"io"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// command is one program that a session runs.
type command interface {
	// stdin, stdout and stderr are this side's ends; stderr is nil with a terminal. Closing them ends a pending read.
	stdin() io.WriteCloser
	stdout() io.ReadCloser
	stderr() io.ReadCloser
	// wait returns the status and the name of the signal without SIG, or "", when the program itself has ended.
	wait() (status int, signal string)
	// signal sends a signal, named without SIG, to the program's process group.
	signal(name string) bool
	// release ends what is left of the process group, and the reading of its output.
	release()
}

// ptyRequest is what a client asks of a terminal, RFC 4254 section 6.2.
type ptyRequest struct {
	Term          string
	Columns, Rows uint32
	Width, Height uint32
	Modes         string
}

// session serves one session channel until the client closes it or is gone; what still runs then is killed.
func (s *SSHServer) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	var terminal *ptyRequest
	var running command
	var finishing sync.WaitGroup
	for request := range requests {
		ok := false
		switch request.Type {
		case "pty-req":
			terminal = new(ptyRequest)
			ok = canPTY && ssh.Unmarshal(request.Payload, terminal) == nil
			if !ok {
				terminal = nil
			}
		case "exec":
			var exec struct{ Line string }
			if running != nil || ssh.Unmarshal(request.Payload, &exec) != nil {
				break
			}
			started, err := startCommand(exec.Line, s.config.Dir, s.config.Environ, terminal)
			if err != nil {
				break
			}
			ok, running = true, started
			s.mu.Lock()
			s.commands++
			s.mu.Unlock()
			if request.WantReply { // before the command can end and close the channel
				_ = request.Reply(true, nil)
			}
			finishing.Go(func() { attend(channel, started) })
			continue
		case "subsystem":
			var subsystem struct{ Name string }
			if running != nil || ssh.Unmarshal(request.Payload, &subsystem) != nil || subsystem.Name != "sftp" || s.config.NoSFTP {
				break
			}
			server, err := sftp.NewServer(s.metered(channel), sftp.WithServerWorkingDirectory(s.config.Dir))
			if err != nil {
				break
			}
			if request.WantReply {
				_ = request.Reply(true, nil)
			}
			finishing.Go(func() {
				_ = server.Serve() // its end is the client's
				_ = channel.Close()
			})
			continue
		case "signal":
			var signal struct{ Name string }
			ok = running != nil && ssh.Unmarshal(request.Payload, &signal) == nil && running.signal(signal.Name)
		}
		if request.WantReply {
			_ = request.Reply(ok, nil)
		}
	}
	if running != nil {
		running.release()
	}
	_ = channel.Close()
	finishing.Wait()
}

// metered counts what the client sends over SFTP, and cuts the connection where CutAfter says so.
func (s *SSHServer) metered(channel ssh.Channel) io.ReadWriteCloser {
	return &meter{Channel: channel, server: s}
}

type meter struct {
	ssh.Channel
	server *SSHServer
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Channel.Read(p)
	m.server.received(n)
	return n, err
}

// attend carries a command's input and output and tells its end. Like sshd it keeps the channel open for as long as anything holds the output.
func attend(channel ssh.Channel, c command) {
	var input, output sync.WaitGroup
	input.Go(func() {
		_, _ = io.Copy(c.stdin(), channel)
		_ = c.stdin().Close()
	})
	output.Go(func() { _, _ = io.Copy(channel, c.stdout()) })
	if stderr := c.stderr(); stderr != nil {
		output.Go(func() { _, _ = io.Copy(channel.Stderr(), stderr) })
	}
	status, signal := c.wait()
	output.Wait()
	c.release()
	if signal != "" {
		_, _ = channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name    string
			Core    bool
			Message string
			Lang    string
		}{Name: signal}))
	} else {
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	}
	_ = channel.Close()
	input.Wait()
}
