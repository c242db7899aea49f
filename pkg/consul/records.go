package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rollpin/rollpin/pkg/lock"
)

const (
	// MaxRecord is how many bytes a record may have: Consul takes 512 KiB for a whole transaction, in which values are in base64.
	MaxRecord = 380 << 10
	// keepRecords is how many records of a service stay.
	keepRecords = 100
	// maxOperations is the most operations of one transaction that every version of Consul takes.
	maxOperations = 64
)

// Save writes the record of a deployment to rollpin/ENVIRONMENT/SERVICE/deployments/ID, as long as the lock is held: Consul itself checks that
// in the same transaction, so that who lost the lock gets a *lock.LostError and has written nothing. While Consul has no leader or does not
// answer, Save tries again, until ctx ends or the lock is lost. The newest 100 records of the service are kept.
func (l *Lease) Save(ctx context.Context, id string, value []byte) error {
	if len(value) > MaxRecord {
		return &Error{text: fmt.Sprintf("%s: the record of %s has %d bytes, and Consul takes %d", l.locks, id, len(value), MaxRecord)}
	}
	l.saving.Lock()
	defer l.saving.Unlock()
	path := recordsPath(l.key) + url.PathEscape(id)
	if err := l.write(ctx, "saving the record of "+id, &api.KVTxnOp{Verb: api.KVSet, Key: path, Value: value}); err != nil {
		return err
	}
	if !l.pruned {
		l.pruned = true
		l.prune(ctx, path)
	}
	return nil
}

// Records returns the records of deployments by id; of all services, or all environments, where these are empty. Where Consul has no leader,
// they are as one of its servers knows them.
func (l *Locks) Records(ctx context.Context, environment, service string) (map[string][]byte, error) {
	prefix := recordsPath(lock.Key{Environment: environment, Service: service})
	if service == "" {
		prefix = "rollpin/" + lock.Key{Environment: environment}.Path()
	}
	if environment == "" {
		prefix = "rollpin/"
	}
	pairs, err := ask(ctx, l.agent, "reading the records of deployments", patience+stalePatience, func(ctx context.Context) (api.KVPairs, error) {
		strict, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		pairs, _, err := l.client.KV().List(prefix, reading(strict))
		if err != nil && leaderless(err) && ctx.Err() == nil {
			pairs, _, err = l.client.KV().List(prefix, (&api.QueryOptions{AllowStale: true}).WithContext(ctx))
		}
		return pairs, err
	})
	if err != nil {
		return nil, err
	}
	records := map[string][]byte{}
	for _, pair := range pairs {
		path := strings.Split(pair.Key, "/") // rollpin, environment, service, deployments, id
		if len(path) != 5 || path[3] != "deployments" || service != "" && path[2] != url.PathEscape(service) {
			continue
		}
		if id, err := url.PathUnescape(path[4]); err == nil {
			records[id] = pair.Value
		}
	}
	return records, nil
}

// NewestRecord is the id of the newest deployment that has a record; empty for none.
func (l *Locks) NewestRecord(ctx context.Context, key lock.Key) (string, error) {
	paths, err := ask(ctx, l.agent, "listing the records of deployments", patience, func(ctx context.Context) ([]string, error) {
		paths, _, err := l.client.KV().Keys(recordsPath(key), "", reading(ctx))
		return paths, err
	})
	newest := ""
	for _, path := range paths {
		if id, err := url.PathUnescape(strings.TrimPrefix(path, recordsPath(key))); err == nil {
			newest = max(newest, id)
		}
	}
	return newest, err
}

// recordsPath ends with a slash.
func recordsPath(key lock.Key) string { return "rollpin/" + key.Path() + "/deployments/" }

// prune deletes the oldest records; ids sort by time. What it cannot delete is left to the next deployment.
func (l *Lease) prune(ctx context.Context, own string) {
	bounded, cancel := context.WithTimeout(ctx, term().Try)
	defer cancel()
	paths, _, err := l.locks.client.KV().Keys(recordsPath(l.key), "", reading(bounded))
	if err != nil {
		return
	}
	slices.Sort(paths)
	old := slices.DeleteFunc(paths[:max(0, len(paths)-keepRecords)], func(path string) bool { return path == own })
	for part := range slices.Chunk(old, maxOperations-1) {
		var deletes []*api.KVTxnOp
		for _, path := range part {
			deletes = append(deletes, &api.KVTxnOp{Verb: api.KVDelete, Key: path})
		}
		if l.transact(bounded, "deleting old records", deletes) != nil {
			return
		}
	}
}

// write transacts, and tries again while Consul is not to be had: for as long as a lock lasts without it.
func (l *Lease) write(ctx context.Context, doing string, operations ...*api.KVTxnOp) error {
	deadline := time.Now().Add(2 * sessionTTL)
	for {
		if err := l.Err(); err != nil {
			return err
		}
		err := l.transact(ctx, doing, operations)
		switch {
		case err == nil || ctx.Err() != nil || !temporary(err):
			return err
		case l.Err() != nil:
			return l.Err()
		case time.Now().After(deadline):
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-l.Done():
			return l.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// transact carries out the operations if the session still has the lock, all of them or none.
func (l *Lease) transact(ctx context.Context, doing string, operations []*api.KVTxnOp) error {
	check := &api.KVTxnOp{Verb: api.KVCheckSession, Key: lockPath(l.key), Session: l.session}
	transaction := api.TxnOps{{KV: check}}
	for _, operation := range operations {
		transaction = append(transaction, &api.TxnOp{KV: operation})
	}
	response, err := ask(ctx, l.locks.agent, doing, term().Try, func(ctx context.Context) (*api.TxnResponse, error) {
		_, response, _, err := l.locks.client.Txn().Txn(transaction, new(api.QueryOptions).WithContext(ctx))
		return response, err
	})
	if err != nil || len(response.Errors) == 0 {
		return err
	}
	failed := response.Errors[0]
	switch {
	case strings.Contains(failed.What, "Permission denied"):
		return l.locks.failed(ctx, doing, api.StatusError{Code: http.StatusForbidden, Body: failed.What}, 0)
	case failed.OpIndex == 0:
		lost := l.lost("somebody broke it, or Consul dropped its session (" + excerpt(failed.What) + ")")
		l.keeper.Lose(lost)
		return lost
	}
	return &Error{text: fmt.Sprintf("%s: %s: %s", l.locks, doing, excerpt(failed.What))}
}

// temporary tells whether a request may well succeed a little later.
func temporary(err error) bool {
	var network net.Error
	var status api.StatusError
	if errors.As(err, &status) {
		return status.Code >= http.StatusInternalServerError || status.Code == http.StatusTooManyRequests
	}
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "leader") ||
		strings.Contains(err.Error(), "rpc error")
}
