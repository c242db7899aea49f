package consul

import (
	"context"
	"crypto/rand"

	"github.com/hashicorp/consul/api"

	"github.com/rollpin/rollpin/pkg/lock"
)

// domainPath is the key that names the store of the locks, whichever agent leads there.
const domainPath = "rollpin/id"

// Domain names a lock for good: whoever holds it later knows that who held it before is over. The name is random, made at its first use.
func (l *Locks) Domain(ctx context.Context, key lock.Key) (string, error) {
	name, err := ask(ctx, l.agent, "naming the store of locks", 2*patience, func(ctx context.Context) (string, error) {
		for {
			pair, _, err := l.client.KV().Get(domainPath, reading(ctx))
			if err != nil {
				return "", err
			}
			if pair != nil {
				return string(pair.Value), nil
			}
			// An index of 0 writes only what is not there yet.
			if _, _, err := l.client.KV().CAS(&api.KVPair{Key: domainPath, Value: []byte(rand.Text())}, writing(ctx)); err != nil {
				return "", err
			}
		}
	})
	return "consul:" + name + "/" + key.Path(), err
}
