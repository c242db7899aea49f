package fleet

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rollpin/rollpin/pkg/pkgmgr"
	"github.com/rollpin/rollpin/pkg/rollout"
)

func TestALockIsOfTheFileThatWasTaken(t *testing.T) {
	file := pkgmgr.Locked{Name: "acme-api", Version: "1.0", Hash: "sha256:aa"}
	other := pkgmgr.Locked{Name: "click", Version: "8.0", Hash: "sha256:bb"}
	rebuilt := file
	rebuilt.Hash = "sha256:cc"
	for _, c := range []struct {
		taken    taken
		packages []pkgmgr.Locked
		want     bool
	}{
		{taken{}, []pkgmgr.Locked{other}, true},
		{taken{locked: file}, []pkgmgr.Locked{file, other}, true},
		{taken{locked: file}, []pkgmgr.Locked{rebuilt, other}, false},
		{taken{locked: file}, nil, false},
	} {
		if got := c.taken.in(pkgmgr.Lock{Packages: c.packages}); got != c.want {
			t.Errorf("%+v in %+v: %t", c.taken, c.packages, got)
		}
	}
}

// What nodes and this machine keep stands in for an index that does not have it, but not for one that refuses.
func TestUnanswered(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{fmt.Errorf("asking: %w", &rollout.Failure{Text: "no route"}), true},
		{&pkgmgr.NoVersionError{Want: "1.0"}, true},
		{&pkgmgr.NoVersionError{Want: "1.0", Reason: "it requires Python 3.99"}, false},
		{&pkgmgr.YankedError{Version: "1.0"}, false},
		{errors.New("odd"), false},
	} {
		if got := unanswered(c.err) != ""; got != c.want {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}
