package health

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// place is where an answer tells the running version. The zero place is nowhere.
type place struct {
	header string
	path   []string // of a field in JSON
	body   bool
}

// parsePlace reads json:FIELD.SUBFIELD, header:NAME or body. An element of an array is named by its index, from 0.
func parsePlace(text string) (place, error) {
	kind, rest, _ := strings.Cut(text, ":")
	switch {
	case text == "":
		return place{}, nil
	case text == "body":
		return place{body: true}, nil
	case kind == "header" && rest != "":
		return place{header: rest}, nil
	case kind == "json":
		path := strings.Split(rest, ".")
		if !slices.Contains(path, "") {
			return place{path: path}, nil
		}
	}
	return place{}, fmt.Errorf("version %q: want json:FIELD.SUBFIELD, header:NAME or body", text)
}

// find returns the version that an answer tells, without white space around it. It is never empty without an error.
func (p place) find(header http.Header, body []byte) (version string, err error) {
	switch {
	case p.body:
		version = string(body)
	case p.header != "":
		version = header.Get(p.header)
	default:
		version, err = field(body, p.path)
	}
	version = strings.TrimSpace(version)
	if err == nil && version == "" {
		err = errors.New("nothing is there")
	}
	return version, err
}

// field returns the string, number or boolean at path. Numbers keep their digits: 1.10 is not 1.1.
func field(body []byte, path []string) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", errors.New("the body is no JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("the body goes on after its JSON")
	}
	for _, key := range path {
		next, ok := member(value, key)
		if !ok {
			return "", fmt.Errorf("there is no %q", key)
		}
		value = next
	}
	switch value := value.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	case bool:
		return strconv.FormatBool(value), nil
	case nil:
		return "", errors.New("null is there")
	}
	return "", errors.New("an object or array is there")
}

func member(value any, key string) (any, bool) {
	switch value := value.(type) {
	case map[string]any:
		found, ok := value[key]
		return found, ok
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(value) {
			return value[i], true
		}
	}
	return nil, false
}
