package pkgmgr

import (
	"strings"
	"testing"
)

func TestArchiveVersionIsTheNameOfADirectory(t *testing.T) {
	for _, version := range []string{"1", "v1.2.0", "2026-11-21_a+b", "1!2.0", strings.Repeat("1", 100)} {
		if got, err := (archive{}).Normalize(version); err != nil || got != version {
			t.Errorf("%q became %q: %v", version, got, err)
		}
	}
	for _, version := range []string{"", "1/2", "..", "1..2", ".1", "-1", "1 2", "1\n", "1;id", "é", strings.Repeat("1", 101)} {
		if _, err := (archive{}).Normalize(version); err == nil {
			t.Errorf("%q was accepted", version)
		}
	}
}

func TestArchiveLock(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	lock, err := ArchiveLock("site", "1.0", digest)
	if err != nil || lock.Text != "site 1.0 sha256:"+digest+"\n" {
		t.Fatalf("%q %v", lock.Text, err)
	}
	again, err := archive{}.ParseLock(lock.Text)
	if err != nil || again.Digest() != lock.Digest() {
		t.Errorf("%v %v", again, err)
	}
	for _, text := range []string{
		"", "site 1.0", "site 1.0 " + digest, "site 1/0 sha256:" + digest, "../x 1.0 sha256:" + digest, lock.Text + lock.Text,
	} {
		if _, err := (archive{}).ParseLock(text); err == nil {
			t.Errorf("%q is a lock", text)
		}
	}
}
