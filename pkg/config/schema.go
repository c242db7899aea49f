package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"strings"
)

// Reference is the annotated example of every key: documentation, test and the source of the schema's descriptions.
//
//go:embed reference.yaml
var Reference string

// Schema returns the JSON Schema (draft 2020-12) of a configuration file, for editors. The decoder is stricter: it also knows which keys
// exclude each other.
func Schema() ([]byte, error) {
	comments, err := referenceComments()
	if err != nil {
		return nil, err
	}
	s := schemaWriter{comments: comments, definitions: map[string]any{}}
	root := s.of(documentKeys().shape)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = FileName
	root["$defs"] = s.definitions
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(root)
	return out.Bytes(), err
}

type schemaWriter struct {
	// comments are the descriptions, by OWNER.KEY.
	comments    map[string]string
	definitions map[string]any
}

func (s schemaWriter) of(k shape) map[string]any {
	var forms []any
	if form := s.main(k); form != nil {
		forms = append(forms, form)
	}
	for _, other := range k.also {
		forms = append(forms, s.of(other))
	}
	if len(forms) == 1 {
		return forms[0].(map[string]any)
	}
	return map[string]any{"anyOf": forms}
}

func (s schemaWriter) main(k shape) map[string]any {
	switch {
	case k.object != nil:
		return s.reference(k.object)
	case k.items != nil:
		return map[string]any{"type": "array", "minItems": 1, "items": s.of(*k.items)}
	case k.entries != nil:
		return map[string]any{"type": []string{"object", "null"}, "propertyNames": k.names, "additionalProperties": s.of(*k.entries)}
	}
	return k.scalar
}

func (s schemaWriter) reference(object *structure) map[string]any {
	if _, known := s.definitions[object.name]; !known {
		properties := map[string]any{}
		definition := map[string]any{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
		s.definitions[object.name] = definition
		for _, p := range object.properties {
			property := map[string]any{"description": s.comments[p.id()]}
			for key, value := range s.of(p.shape) {
				property[key] = value
			}
			properties[p.name] = property
		}
		if object.name == "document" {
			definition["patternProperties"] = map[string]any{"^x-": true}
		}
	}
	return map[string]any{"$ref": "#/$defs/" + object.name}
}

// referenceComments collects the comment lines right above each key of the reference file, the first time that the key stands there.
func referenceComments() (map[string]string, error) {
	root, problems := parseYAML("reference.yaml", []byte(Reference))
	if err := asError(problems); err != nil {
		return nil, err
	}
	comments := map[string]string{}
	collectComments(root, documentKeys().shape, strings.Split(Reference, "\n"), comments)
	return comments, nil
}

func collectComments(t *tree, s shape, lines []string, into map[string]string) {
	for _, item := range t.items {
		for _, form := range append(s.also, s) {
			if form.items != nil {
				collectComments(item, *form.items, lines, into)
			}
		}
	}
	for _, e := range t.entries {
		if s.object != nil {
			for _, p := range s.object.properties {
				if p.name == e.name && into[p.id()] == "" {
					into[p.id()] = commentAbove(lines, e.place.Line)
				}
			}
		}
		collectComments(e.value, s.inside(e.name), lines, into)
	}
}

// commentAbove joins the comment lines that end right above the line, which counts from 1.
func commentAbove(lines []string, line int) string {
	var comment []string
	for i := line - 2; i >= 0; i-- {
		text, ok := strings.CutPrefix(strings.TrimSpace(lines[i]), "#")
		if !ok {
			break
		}
		comment = append([]string{strings.TrimSpace(text)}, comment...)
	}
	return strings.Join(comment, " ")
}
