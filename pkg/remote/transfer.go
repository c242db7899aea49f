package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

const (
	// transferPacket is how many bytes of a file a request carries: with its header it is one SSH packet, and not one and the end of another.
	transferPacket = 32000
	// transferRequests is how many SFTP requests are on their way at once. It fills a link of 50 Mbit/s at 80 ms, and
	// bounds the memory that fifty transfers take to what one process may have.
	transferRequests = 16
	// transferOverlap is how far behind the end of a file a cut transfer goes on: requests on their way may have been lost out of order.
	transferOverlap = transferRequests * transferPacket
	// transferTries is how many connections a transfer may use up.
	transferTries = 3
)

// Send writes size bytes of source to a file on the node, as the user who logs in. A connection that is lost on the way is made
// anew, and the transfer goes on where it was cut, as long as the node can be reached again. The file's content is for the caller to check.
// The error is an *UnreachableError where the node is gone, a *TransferError where its server refuses, and ctx's own where that ended.
func (n *Node) Send(ctx context.Context, file string, source io.ReaderAt, size int64) error {
	return n.transfer(ctx, "sending "+file, func(client *sftp.Client) error {
		to, err := client.OpenFile(file, os.O_WRONLY|os.O_CREATE)
		if err != nil {
			return err
		}
		about, err := to.Stat()
		if err != nil {
			return errors.Join(err, to.Close())
		}
		from := max(0, min(about.Size(), size)-transferOverlap)
		if _, err := to.Seek(from, io.SeekStart); err != nil {
			return errors.Join(err, to.Close())
		}
		_, err = to.ReadFromWithConcurrency(io.NewSectionReader(source, from, size-from), transferRequests)
		return cleanJoin(err, to.Close())
	})
}

// Fetch reads a file of the node, as the user who logs in, into target. It goes on after a lost connection, and fails, as Send does.
func (n *Node) Fetch(ctx context.Context, file string, target io.Writer) error {
	counted := &counter{to: target}
	return n.transfer(ctx, "fetching "+file, func(client *sftp.Client) error {
		from, err := client.Open(file)
		if err != nil {
			return err
		}
		if _, err := from.Seek(counted.n, io.SeekStart); err != nil {
			return errors.Join(err, from.Close())
		}
		_, err = from.WriteTo(counted)
		return cleanJoin(err, from.Close())
	})
}

// cleanJoin is the first error: what closing says after a failure adds nothing.
func cleanJoin(err, closing error) error {
	if err != nil {
		return err
	}
	return closing
}

// counter knows where a cut transfer goes on.
type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// transfer does something over SFTP, again after a lost connection.
func (n *Node) transfer(ctx context.Context, what string, do func(*sftp.Client) error) error {
	for try := 1; ; try++ {
		conn, err := n.connection(ctx)
		if err != nil {
			return err
		}
		err = conn.overSFTP(ctx, do)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %s: %w", n.name, what, context.Cause(ctx))
		case !conn.endsSoon():
			return &TransferError{Node: n.name, What: what, Err: err}
		case try == transferTries:
			return conn.lost()
		}
	}
}

// overSFTP opens an SFTP session for do. When ctx ends it is closed, and a server that shows no life loses the connection.
func (c *connection) overSFTP(ctx context.Context, do func(*sftp.Client) error) error {
	done := make(chan error, 1)
	opened := make(chan *ssh.Session, 1)
	go func() {
		done <- c.useSFTP(opened, do)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	go func() { // closing may wait for a server that reads no more
		select {
		case session := <-opened:
			_ = session.Close()
		case <-c.done:
		}
	}()
	if !c.ping(checkPatience) {
		c.fail(errors.New("the server answers no more"))
	}
	return context.Cause(ctx)
}

// useSFTP makes the session by hand, so that it can be closed from outside at any time.
func (c *connection) useSFTP(opened chan<- *ssh.Session, do func(*sftp.Client) error) error {
	session, err := c.client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	opened <- session
	if err := session.RequestSubsystem("sftp"); err != nil {
		return errNoSFTP
	}
	in, err := session.StdinPipe()
	if err != nil {
		return err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return err
	}
	client, err := sftp.NewClientPipe(out, in, sftp.MaxPacket(transferPacket), sftp.UseConcurrentWrites(true), sftp.MaxConcurrentRequestsPerFile(transferRequests))
	if err != nil {
		return errors.Join(errNoSFTP, err)
	}
	err = do(client)
	_ = session.Close() // closing the client alone would wait for a server that reads no more
	_ = client.Close()
	return err
}

var errNoSFTP = errors.New("its SSH server offers no SFTP")

// TransferError says that a file could not be sent to a node or fetched from it, although the node is there.
type TransferError struct {
	Node, What string
	Err        error
}

func (e *TransferError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Node, e.What, e.Err) }

func (e *TransferError) Unwrap() error { return e.Err }

// Hint is what to look at.
func (e *TransferError) Hint() string {
	switch {
	case errors.Is(e.Err, errNoSFTP):
		return "in the node's sshd_config set: Subsystem sftp internal-sftp; or let every node install for itself: install: each"
	case errors.Is(e.Err, os.ErrNotExist):
		return "its SFTP sees other directories than a shell does (ChrootDirectory in sshd_config): change that, or set install: each"
	case errors.Is(e.Err, os.ErrPermission):
		return "the user who logs in must be able to enter the service's directory: see the permissions of it and of those above"
	}
	return "see on the node whether there is room: df -h"
}
