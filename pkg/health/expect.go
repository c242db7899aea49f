package health

import (
	"bytes"
	"net/http"
)

// judge compares an answer with what the check expects of it.
func (p *httpProbe) judge(response *http.Response, body []byte) verdict {
	expect := p.check.Expect
	switch {
	case expect.Status == 0 && (response.StatusCode < 200 || response.StatusCode > 299):
		return failed("answered %s, want 200 to 299", response.Status)
	case expect.Status != 0 && response.StatusCode != expect.Status:
		return failed("answered %s, want %d", response.Status, expect.Status)
	case !bytes.Contains(body, []byte(expect.Body)):
		return failed("answered %s, want %q in the body", response.Status, expect.Body)
	case expect.Version == "":
		return passed("answered %s", response.Status)
	}
	return p.judgeVersion(response, body)
}

func (p *httpProbe) judgeVersion(response *http.Response, body []byte) verdict {
	version, err := p.where.find(response.Header, body)
	switch {
	case p.want.Version == "" && err != nil:
		return passed("answered %s", response.Status)
	case err != nil:
		return failed("answered %s, want version %s at %s: %v", response.Status, p.want.Version, p.check.Expect.Version, err)
	case p.want.Version != "" && !p.want.is(version):
		return failed("answered version %s, want %s", clean(version, maxVersion), p.want.Version)
	}
	return passed("answered %s, version %s", response.Status, clean(version, maxVersion))
}
