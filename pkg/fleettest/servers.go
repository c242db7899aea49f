package fleettest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
)

// Servers are a package index and an npm registry on loopback.
type Servers struct {
	Index    *Index
	Registry *Registry
	// IndexURL ends in /simple; both are what a user would configure as index.
	IndexURL, RegistryURL string

	running []*http.Server
}

// StartServers starts an index and a registry with the sample packages; Close ends them.
func StartServers() (*Servers, error) {
	index, err := NewIndex(SampleWheels()...)
	if err != nil {
		return nil, err
	}
	registry, err := NewRegistry(SampleNPM()...)
	if err != nil {
		return nil, err
	}
	s := &Servers{Index: index, Registry: registry}
	indexURL, err := s.serve(index)
	if err != nil {
		return nil, err
	}
	s.IndexURL = indexURL + "/simple"
	if s.RegistryURL, err = s.serve(registry); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Servers) serve(handler http.Handler) (url string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("starting a package server: %w", err)
	}
	server := &http.Server{Handler: handler}
	s.running = append(s.running, server)
	go server.Serve(listener) // until Close
	return "http://" + listener.Addr().String(), nil
}

// Close ends both servers and their connections.
func (s *Servers) Close() error {
	var errs []error
	for _, server := range s.running {
		errs = append(errs, server.Close())
	}
	return errors.Join(errs...)
}
