package journal

import (
	"context"
	"sync"
	"time"

	"github.com/rollpin/rollpin/pkg/rollout"
)

const (
	// maxShared is how many bytes the shared form of a deployment may have.
	maxShared = 350 << 10
	// shareEvery is the longest that others may lag behind while nothing important happens.
	shareEvery = 2 * time.Second
	// lastShare bounds sharing the end; hastyShare does so after an interrupt, when everything must be over in seconds.
	lastShare, hastyShare = 5 * time.Second, 500 * time.Millisecond
)

// Shared is a journal that others see, too. The lines stand in a file of this machine; a folded form of them is saved elsewhere, such as in
// Consul: every few seconds, and before the first node of a wave is touched, whatever that takes. What the lock no longer covers is not
// written at all.
type Shared struct {
	ctx    context.Context
	writer *Writer
	held   func() error
	save   func(context.Context, []byte) error
	stop   chan struct{}
	done   chan struct{}

	mu sync.Mutex // guards what follows
	d  Deployment
	// must is the number of events that others have to know before the next step.
	must int

	saving sync.Mutex // held while one form is saved, and guards saved: the number of events in the last one
	saved  int
}

// Share begins to share. D is what earlier runs left, for a deployment that is gone on with. Held says why the lock is lost, nil while it is
// not; save writes the shared form, and is nil where nobody else is to see it. The caller calls Close.
func Share(ctx context.Context, w *Writer, d Deployment, held func() error, save func(context.Context, []byte) error) *Shared {
	s := &Shared{ctx: ctx, writer: w, held: held, save: save, d: d, stop: make(chan struct{}), done: make(chan struct{})}
	s.d.index = nil
	s.d.File = w.Name()
	go s.run()
	return s
}

func (s *Shared) run() {
	defer close(s.done)
	ticker := time.NewTicker(shareEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		_ = s.share(s.ctx, 0) // it is tried again, and before a wave it counts
	}
}

// Append writes an event to the file.
func (s *Shared) Append(e rollout.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.held(); err != nil && e.Kind == rollout.StepStarted {
		return err
	}
	if err := s.writer.Append(e); err != nil {
		return err
	}
	s.d.Apply(e)
	if e.Kind == rollout.WaveStarted {
		s.must = s.d.Events
	}
	return nil
}

// Sync returns when the file is on disk, and when others know of the wave that has begun.
func (s *Shared) Sync() error {
	if err := s.held(); err != nil {
		return err
	}
	if err := s.writer.Sync(); err != nil {
		return err
	}
	s.mu.Lock()
	must := s.must
	s.mu.Unlock()
	if must == 0 {
		return nil
	}
	return s.share(s.ctx, must)
}

// share saves what is there to be saved, unless what is saved has the first so many events already; 0 for all.
func (s *Shared) share(ctx context.Context, events int) error {
	if s.save == nil {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	if s.saved == s.d.Events || events > 0 && s.saved >= events {
		s.mu.Unlock()
		return nil
	}
	d := s.d.clone() // to pack takes a second for thousands of nodes, and none of them must wait for it
	s.mu.Unlock()
	text, err := Pack(d, maxShared)
	if err != nil {
		return err
	}
	if err := s.save(ctx, text); err != nil {
		return err
	}
	s.saved = d.Events
	return nil
}

// Close shares the end and closes the file. There is little time for that where the context of Share has ended, and none where hard has.
func (s *Shared) Close(hard context.Context) error {
	close(s.stop)
	<-s.done
	limit := lastShare
	if s.ctx.Err() != nil {
		limit = hastyShare
	}
	ctx, cancel := context.WithTimeout(hard, limit)
	defer cancel()
	var err error
	if s.held() == nil {
		err = s.share(ctx, 0)
	}
	if closing := s.writer.Close(); closing != nil {
		return closing
	}
	return err
}
