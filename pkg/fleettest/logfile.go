//go:build unix

package fleettest

import (
	"os"
	"path/filepath"
	"strconv"
)

// maxLogFile is the size in bytes at which a log file starts anew.
const maxLogFile = 1 << 20

// logFile is where a manager that keeps its logs in plain files has them: pm2 in its home, svlogd in the service's directory. Empty for the others.
func (n *Node) logFile(u Unit, stream string) string {
	switch u.Manager {
	case PM2:
		return filepath.Join(n.Home, ".pm2", "logs", u.Name+map[string]string{"stdout": "-out.log", "stderr": "-error.log"}[stream])
	case Runit:
		return filepath.Join(n.Home, "service", u.Name, "log", "main", "current")
	}
	return ""
}

// prepareLogs makes the directory of the logs, and for pm2 the file that tells that its daemon runs.
func (n *Node) prepareLogs(u Unit) error {
	file := n.logFile(u, "stdout")
	if file == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil || u.Manager != PM2 {
		return err
	}
	return os.WriteFile(filepath.Join(n.Home, ".pm2", "pm2.pid"), []byte(strconv.Itoa(os.Getpid())), 0o644)
}

// appendLine adds a line to a log file. A log that cannot be written stops no service.
func appendLine(file, text string) {
	if file == "" {
		return
	}
	if info, err := os.Stat(file); err == nil && info.Size() > maxLogFile {
		_ = os.Truncate(file, 0)
	}
	log, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer log.Close()
	_, _ = log.WriteString(text + "\n")
}
