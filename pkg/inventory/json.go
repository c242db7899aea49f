package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseJSON makes of JSON the tree that YAML would have been, with positions. YAML's own reader stumbles over escaped surrogate pairs
// ("\ud83d\ude80") and over long keys, both of which json.dumps prints without a thought.
func parseJSON(data []byte) (*yaml.Node, error) {
	tokens := json.NewDecoder(bytes.NewReader(data))
	tokens.UseNumber()
	reader := jsonReader{data: data, tokens: tokens, line: 1}
	return reader.value()
}

type jsonReader struct {
	data   []byte
	tokens *json.Decoder
	// line is the number of the line that starts at offset start; both move on with the tokens.
	line, start, offset int
}

// value reads one value; the data is known to be valid JSON.
func (r *jsonReader) value() (*yaml.Node, error) {
	at := r.position()
	token, err := r.tokens.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		at.Kind = yaml.SequenceNode
		if token == '{' {
			at.Kind = yaml.MappingNode
		}
		for r.tokens.More() {
			child, err := r.value()
			if err != nil {
				return nil, err
			}
			at.Content = append(at.Content, child)
		}
		_, err = r.tokens.Token()
	case nil:
		at.Kind, at.Tag = yaml.ScalarNode, "!!null"
	default:
		at.Kind, at.Value = yaml.ScalarNode, fmt.Sprint(token)
	}
	return at, err
}

// position returns a node that stands where the next token starts.
func (r *jsonReader) position() *yaml.Node {
	next := int(r.tokens.InputOffset())
	for next < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[next]) >= 0 {
		next++
	}
	for ; r.offset < next; r.offset++ {
		if r.data[r.offset] == '\n' {
			r.line, r.start = r.line+1, r.offset+1
		}
	}
	return &yaml.Node{Line: r.line, Column: next - r.start + 1}
}
