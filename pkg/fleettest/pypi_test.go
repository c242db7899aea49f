package fleettest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEqualWheelsAreEqualFiles(t *testing.T) {
	w := Wheel{Name: "Acme.API", Version: "1.0", Requires: []string{"b", "a"}, Files: map[string]string{"x.py": "1", "a.py": "2", "m.py": "3"}}
	for _, w.Source = range []bool{false, true} {
		name, first, err := w.Build()
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, again, _ := w.Build(); !bytes.Equal(first, again) {
				t.Fatalf("%s is another file each time", name)
			}
		}
		if !strings.HasPrefix(name, "acme_api-1.0") {
			t.Errorf("the file is named %s", name)
		}
	}
	if len(w.Files) != 3 {
		t.Errorf("building changed the files: %v", w.Files)
	}
}

func TestIndexAnswers(t *testing.T) {
	index, err := NewIndex(Wheel{Name: "acme-api", Version: "1.0", Yanked: `"bad" <b>`})
	if err != nil {
		t.Fatal(err)
	}
	index.User, index.Password = "ci", "s3cret"
	server := httptest.NewServer(index)
	defer server.Close()
	get := func(path, password string) (int, string) {
		request, _ := http.NewRequest("GET", server.URL+path, nil)
		request.SetBasicAuth("ci", password)
		answer, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	if status, body := get("/simple/acme-api", "s3cret"); status != 200 || !strings.Contains(body, `data-yanked="&#34;bad&#34; &lt;b&gt;"`) {
		t.Errorf("the page: %d %s", status, body)
	}
	if status, _ := get("/files/acme_api-1.0-py3-none-any.whl", "wrong"); status != 401 {
		t.Errorf("a wrong password: %d", status)
	}
	index.Remove("Acme_API")
	if status, _ := get("/simple/acme-api/", "s3cret"); status != 404 {
		t.Errorf("a removed project: %d", status)
	}
	if got := index.Requests(); got != 4 {
		t.Errorf("%d requests, want 4 with the redirect", got)
	}
}
