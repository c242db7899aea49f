package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/rollpin/rollpin/pkg/config"
)

// maxAnswer is how much of a body is read, in bytes; the rest is not looked at.
const maxAnswer = 1 << 20

// httpProbe sends GET over a connection of its own, so that every round is a new one for the service too. A redirect is an answer.
type httpProbe struct {
	node  Node
	check config.Check
	url   *url.URL
	tls   *tls.Config
	where place
	want  Want
}

func newHTTPProbe(n Node, check config.Check, want Want) (probe, error) {
	target, err := url.Parse(check.Target)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL") // url.Parse's own error may hold a password
	case target.Scheme != "http" && target.Scheme != "https":
		return nil, fmt.Errorf("want a URL with http:// or https://")
	case target.Hostname() == "":
		return nil, fmt.Errorf("the URL has no host")
	}
	where, err := parsePlace(check.Expect.Version)
	if err != nil {
		return nil, err
	}
	security, err := tlsConfig(check)
	if err != nil {
		return nil, err
	}
	return &httpProbe{node: n, check: check, url: target, tls: security, where: where, want: want}, nil
}

func tlsConfig(check config.Check) (*tls.Config, error) {
	security := &tls.Config{ServerName: check.ServerName, InsecureSkipVerify: check.Insecure} // insecure is the user's own word
	if check.CAFile == "" {
		return security, nil
	}
	certificates, err := os.ReadFile(check.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading ca_file: %w", err)
	}
	security.RootCAs = x509.NewCertPool()
	if !security.RootCAs.AppendCertsFromPEM(certificates) {
		return nil, fmt.Errorf("ca_file %s holds no certificate in PEM", check.CAFile)
	}
	return security, nil
}

func (p *httpProbe) ask(ctx context.Context) (verdict, error) {
	conn, v, fault := dial(ctx, p.node, p.address())
	if conn == nil {
		return v, fault
	}
	defer conn.Close()
	request, err := p.request(ctx)
	if err != nil {
		return failed("%v", err), nil
	}
	response, err := p.client(conn).Do(request)
	if err != nil {
		return failed("no answer: %v", reason(err)), nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return failed("answered %s, but not to its end: %v", response.Status, err).with(string(body)), nil
	}
	return p.judge(response, body).with(string(body)), nil
}

// address is the URL's host and port, as the node resolves them.
func (p *httpProbe) address() string {
	port := p.url.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[p.url.Scheme]
	}
	return net.JoinHostPort(p.url.Hostname(), port)
}

func (p *httpProbe) request(ctx context.Context) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url.String(), nil)
	if err != nil {
		return nil, reason(err)
	}
	request.Header.Set("User-Agent", "rollpin")
	for name, value := range p.check.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	return request, nil
}

// client speaks over conn and no other connection: net/http would go on dialling when the round is over.
func (p *httpProbe) client(conn net.Conn) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			TLSClientConfig:   p.tls.Clone(),
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reason is the error without the URL that net/http puts before it: the URL is known, and may hold a password.
func reason(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
