package consul

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

// store answers requests for sessions and keys as Consul does. Its sessions do not run out.
type store struct {
	created  int
	sessions map[string]bool
	pairs    map[string]*api.KVPair
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	if s.sessions == nil {
		s.sessions, s.pairs = map[string]bool{}, map[string]*api.KVPair{}
	}
	status, answer := http.StatusOK, any(true)
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	switch {
	case path == "session/create":
		s.created++
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", s.created)
		s.sessions[id] = true
		answer = map[string]string{"ID": id}
	case path == "session/list":
		entries := []api.SessionEntry{}
		for id := range s.sessions {
			entries = append(entries, api.SessionEntry{ID: id})
		}
		answer = entries
	case strings.HasPrefix(path, "session/renew/"):
		id := strings.TrimPrefix(path, "session/renew/")
		answer = []api.SessionEntry{{ID: id}}
		if !s.sessions[id] {
			status = http.StatusNotFound
		}
	case strings.HasPrefix(path, "session/destroy/"):
		s.destroy(strings.TrimPrefix(path, "session/destroy/"))
	case path == "txn":
		status, answer = s.transact(r.Body)
	default:
		status, answer = s.key(r, strings.TrimPrefix(path, "kv/"))
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}

func (s *store) destroy(id string) {
	delete(s.sessions, id)
	maps.DeleteFunc(s.pairs, func(_ string, pair *api.KVPair) bool { return pair.Session == id })
}

func (s *store) key(r *http.Request, key string) (int, any) {
	query := r.URL.Query()
	switch r.Method {
	case http.MethodDelete:
		delete(s.pairs, key)
		return http.StatusOK, true
	case http.MethodPut:
		value, _ := io.ReadAll(r.Body)
		session := query.Get("acquire")
		if before := s.pairs[key]; session != "" && before != nil && before.Session != "" && before.Session != session {
			return http.StatusOK, false
		}
		s.pairs[key] = &api.KVPair{Key: key, Value: value, Session: session}
		return http.StatusOK, true
	}
	found := []*api.KVPair{}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.pairs)) {
		if name == key || (query.Has("recurse") || query.Has("keys")) && strings.HasPrefix(name, key) {
			found, names = append(found, s.pairs[name]), append(names, name)
		}
	}
	switch {
	case len(found) == 0:
		return http.StatusNotFound, nil
	case query.Has("keys"):
		return http.StatusOK, names
	}
	return http.StatusOK, found
}

func (s *store) transact(body io.Reader) (int, any) {
	var operations []struct{ KV api.KVTxnOp }
	if err := json.NewDecoder(body).Decode(&operations); err != nil {
		return http.StatusBadRequest, err.Error()
	}
	for i, operation := range operations {
		pair := s.pairs[operation.KV.Key]
		if operation.KV.Verb == api.KVCheckSession && (pair == nil || pair.Session != operation.KV.Session) {
			return http.StatusConflict, api.TxnResponse{Errors: api.TxnErrors{{OpIndex: i, What: "failed session check"}}}
		}
	}
	for _, operation := range operations {
		switch kv := operation.KV; kv.Verb {
		case api.KVSet:
			s.pairs[kv.Key] = &api.KVPair{Key: kv.Key, Value: kv.Value}
		case api.KVDelete:
			delete(s.pairs, kv.Key)
		}
	}
	return http.StatusOK, api.TxnResponse{}
}
