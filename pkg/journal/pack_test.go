package journal

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollpin/rollpin/pkg/rollout"
)

const kvLimit = 350 << 10

// large is a deployment on n nodes, of which every one in failing failed with a text and a log of its own.
func large(n, failing int) Deployment {
	random := rand.NewChaCha8([32]byte{})
	noise := func(size int) string {
		text := make([]byte, size/2)
		_, _ = random.Read(text)
		return hex.EncodeToString(text)
	}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("web-%04d.fra1.example.com", i))
	}
	s := tell("20261121T101500-ABCD").begin(rollout.Started, names...).plan(oldID, names)
	for i, name := range names {
		s.activate(name)
		if failing > 0 && i%failing == 0 {
			failure := &rollout.Failure{Class: rollout.Failed, Step: rollout.StepHealth, Text: noise(200), Hint: noise(40), Log: []string{noise(100)}}
			s.add(rollout.Event{Kind: rollout.StepFailed, Node: name, Step: rollout.StepHealth, Failure: failure})
		}
	}
	// No two steps take the same time.
	times := rand.New(random)
	for i := range s.events {
		s.events[i].Time = s.events[i].Time.Add(time.Duration(times.Int64N(int64(time.Second))))
		if s.events[i].Took > 0 {
			s.events[i].Took = time.Duration(times.Int64N(int64(time.Minute)))
		}
	}
	return Fold(s.end(rollout.Mixed).events)
}

func TestTheSharedFormFits(t *testing.T) {
	for _, c := range []struct {
		name           string
		nodes, failing int
		trimmed        int
	}{
		{"few nodes", 20, 0, 0},
		{"few nodes, some failed", 20, 5, 0},
		{"1000 nodes", 1000, 0, 0},
		{"5000 nodes, all failed, each with another text", 5000, 1, 4},
	} {
		d := large(c.nodes, c.failing)
		text, err := Pack(d, kvLimit)
		if err != nil || len(text) > kvLimit {
			t.Errorf("%s: %d bytes: %v", c.name, len(text), err)
			continue
		}
		shared, err := Unpack(text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		t.Logf("%s: %d bytes, without %v", c.name, len(text), shared.Trimmed)
		if len(shared.Trimmed) != c.trimmed || shared.Status != d.Status || len(shared.Spent()) != len(d.Spent()) || shared.Host == "" {
			t.Errorf("%s: without %v, %s, %d failed", c.name, shared.Trimmed, shared.Status, len(shared.Spent()))
		}
		if n, _ := shared.Node("web-0001.fra1.example.com"); n.From != oldID || n.Runs != newID || !n.Known {
			t.Errorf("%s: a node came back as %+v", c.name, n)
		}
		if !reflect.DeepEqual(shared.First, d.First) || !reflect.DeepEqual(shared.Plan, d.Plan) {
			t.Errorf("%s: the plans came back as others", c.name)
		}
	}
}

func TestPackingLeavesTheOriginal(t *testing.T) {
	d := large(20, 1)
	before, _ := json.Marshal(d)
	for limit := 8 << 10; limit > 0; limit -= 2 << 10 {
		_, _ = Pack(d, limit)
		if after, _ := json.Marshal(d); !bytes.Equal(before, after) {
			t.Fatalf("packing into %d bytes changed the original", limit)
		}
	}
	var tooLarge *TooLargeError
	if _, err := Pack(large(100, 1), 1000); !errors.As(err, &tooLarge) || tooLarge.Limit != 1000 {
		t.Errorf("into 1000 bytes: %v", err)
	}
}

func zipped(text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.Bytes()
}

func TestWhatIsNoSharedRecord(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a bomb":           {`{"schema":1,"deployment":{"reason":"` + strings.Repeat("x", maxUnpacked) + `"}}`, "it is larger than any that rollpin writes"},
		"a bomb of nodes":  {`{"schema":1,"deployment":{"nodes":[{}` + strings.Repeat(",{}", maxCommas+1) + `]}}`, "it is larger than any that rollpin writes"},
		"of a newer":       {`{"schema":2,"deployment":[]}`, "its schema is 2, this rollpin knows 1"},
		"of somebody else": {`{}`, "it is none of rollpin's"},
		"no JSON":          {`hello`, "invalid character"},
	} {
		if _, err := Unpack(zipped(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Unpack([]byte("hello")); err == nil {
		t.Error("no gzip, and no error")
	}
}

func FuzzUnpack(f *testing.F) {
	text, err := json.Marshal(packed{schema, Fold(sample().events)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"schema":1,"deployment":{"deployment":"D","nodes":[{"name":"web-1","in_flight":"switch"}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Unpack(zipped(text))
		if err != nil {
			return
		}
		// A run that goes on with it must not fall over what is left out.
		d.Apply(tell(d.ID).begin(rollout.Resumed).events[0])
		d.Apply(tell(d.ID).fail("web-1", rollout.StepRestore, oldID).events[1])
	})
}
