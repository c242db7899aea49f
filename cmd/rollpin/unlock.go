package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rollpin/rollpin/pkg/consul"
	"github.com/rollpin/rollpin/pkg/lock"
	"github.com/rollpin/rollpin/pkg/report"
	"github.com/spf13/cobra"
)

const unlockHelp = `Unlock says who holds the lock of a service in an environment, and breaks it if you say so.

  rollpin unlock api -e production

It is seldom needed: a lock in Consul frees itself 30 s after its deployer died, a lock of files at once. A deployment whose lock is broken starts
no further node and ends where it is, as after an interrupt. The lock of files of a living process cannot be broken: end the process.

Nodes also remember the deployment that is at work on them, for deployers that share no lock. Such a hold ends by itself ten minutes after the
deployment's last step there; --nodes shows and ends it now.

  rollpin unlock api -e production --nodes`

func newUnlock(s *session) *cobra.Command {
	var t target
	var yes, nodes bool
	c := &cobra.Command{
		Use:     "unlock SERVICE -e ENV",
		Short:   "Show who holds a lock, and break it",
		Long:    unlockHelp,
		Example: "  rollpin unlock api -e production",
		Args:    usage(oneService),
		RunE: func(c *cobra.Command, args []string) error {
			if !nodes {
				return s.unlock(c, &t, args[0], yes)
			}
			resolved, err := t.resolve(s, c, args[0])
			if err != nil {
				return err
			}
			return s.unguard(c, &t, resolved, yes)
		},
	}
	t.register(c)
	t.registerService(c)
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&nodes, "nodes", false, "instead, take nodes back from deployments that share no lock with this machine")
	return c
}

func (s *session) unlock(c *cobra.Command, t *target, service string, yes bool) error {
	file, err := s.load()
	if err != nil {
		return err
	}
	described := service
	if len(file.Services()) == 0 {
		described = "" // what describes the service is of no interest here
	}
	resolved, err := t.resolve(s, c, described)
	if err != nil {
		return err
	}
	places, err := s.locks(resolved)
	if err != nil {
		return err
	}
	key := lock.Key{Environment: resolved.Environment, Service: service}
	held, err := places.Holder(s.soft, key)
	switch shared, breakable := places.(*consul.Locks); {
	case err != nil:
		return err
	case held == nil:
		return s.unlocked(key, nil)
	case !breakable:
		return livingProcess(held)
	default:
		return s.breakLock(c, shared, held, yes)
	}
}

// breakLock breaks the lock of the deployment that was shown, and of no other.
func (s *session) breakLock(c *cobra.Command, shared *consul.Locks, held *lock.HeldError, yes bool) error {
	fmt.Fprintln(s.stderr, report.Clean(fmt.Sprintf("The lock of %s, in %s, is held by %s.", held.Key, held.Where, held.Who())))
	fmt.Fprintln(s.stderr, "To break it stops that deployment where it is: it starts no further node, which may leave a mixed fleet. If its deployer is dead,\n"+
		"the lock frees itself within 30 s.")
	switch {
	case !yes && !s.asks():
		again := fmt.Sprintf("%s %s -e %s%s --yes", c.CommandPath(), held.Key.Service, held.Key.Environment, repeat(c))
		return usageError{hinted{errors.New("nobody can be asked whether to break the lock"), again}}
	case !yes && !s.confirm("Break it?"):
		fmt.Fprintln(s.stderr, "The lock stays.")
		return nil
	}
	broken, err := shared.Break(s.soft, held.Key, held.Holder.Deployment)
	if err != nil {
		return err
	}
	return s.unlocked(held.Key, broken)
}

// unlocked says that the lock is free, and who lost it, if anybody did.
func (s *session) unlocked(key lock.Key, broken *lock.HeldError) error {
	if s.output == "json" {
		result := struct {
			Environment string       `json:"environment"`
			Service     string       `json:"service"`
			Broken      *lock.Holder `json:"broken"`
		}{Environment: key.Environment, Service: key.Service}
		if broken != nil {
			result.Broken = &broken.Holder
		}
		return json.NewEncoder(s.stdout).Encode(result)
	}
	text := fmt.Sprintf("nobody holds the lock of %s", key)
	if broken != nil {
		text = fmt.Sprintf("the lock of %s is broken: %s had it", key, broken.Holder)
	}
	_, err := fmt.Fprintln(s.stdout, report.Clean(text))
	return err
}

// livingProcess says how to end who holds a lock of files: there is no other way to break one.
func livingProcess(held *lock.HeldError) error {
	hint := "a lock of files is free as soon as its process is gone; look for it: fuser " + word(held.Where)
	if h := held.Holder; h.PID != 0 {
		hint = fmt.Sprintf("its process is alive; to end it, on %s: kill %d; then the lock is free", h.Host, h.PID)
	}
	return hinted{held, hint}
}
