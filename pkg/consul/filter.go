package consul

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/rollpin/rollpin/pkg/inventory"
)

// placeholder is $role or $environment, quoted or not; any other $name is a mistake.
var placeholder = regexp.MustCompile(`"\$([A-Za-z_]+)"|\$([A-Za-z_]+)`)

func checkFilter(filter string) error {
	if strings.TrimSpace(filter) == "" {
		return errors.New(`discovery.consul.filter is missing; such as: Meta.env == $environment and Meta.tier == $role`)
	}
	for _, found := range placeholder.FindAllStringSubmatch(filter, -1) {
		if name := found[1] + found[2]; name != "role" && name != "environment" {
			return fmt.Errorf("discovery.consul.filter: unknown $%s: there are $role and $environment", name)
		}
	}
	return nil
}

// expand puts the query's values, quoted, into a filter expression. Values that could end a quotation are refused, so that no value can
// become a part of the expression.
func expand(filter string, q inventory.Query) (string, error) {
	var failed error
	expanded := placeholder.ReplaceAllStringFunc(filter, func(found string) string {
		name, value := "environment", q.Environment
		if strings.Trim(found, `"$`) == "role" {
			name, value = "role", q.Role
		}
		switch {
		case value == "":
			failed = &Error{text: fmt.Sprintf("discovery.consul.filter needs a %s", name), hint: "add --" + name}
		case strings.ContainsAny(value, "\"\\`") || strings.ContainsFunc(value, unicode.IsControl):
			failed = fmt.Errorf("%s %q has a character that a filter cannot quote", name, value)
		}
		return `"` + value + `"`
	})
	return expanded, failed
}
