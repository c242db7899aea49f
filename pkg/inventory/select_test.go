package inventory

import (
	"errors"
	"strings"
	"testing"
)

func fleet() []Node {
	return []Node{
		{Name: "web-1", Environment: "production", Roles: []string{"web"}, Zone: "a"},
		{Name: "web-2", Environment: "production", Roles: []string{"web", "api"}, Zone: "b"},
		{Name: "web-10", Environment: "production", Roles: []string{"web"}, Zone: "b"},
		{Name: "db-1", Environment: "staging", Roles: []string{"database"}, Zone: "a"},
	}
}

func names(nodes []Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return strings.Join(all, " ")
}

func TestNoNodes(t *testing.T) {
	for name, c := range map[string]struct {
		nodes      []Node
		q          Query
		want, hint string
	}{
		"empty source": {nil, Query{"production", "web"}, "f has no nodes at all", "add nodes with a name, an address, an environment and roles to f"},
		"near environment": {fleet(), Query{"prodution", "web"},
			`f has no environment "prodution"; did you mean production?; it has production, staging`, "rollpin nodes -e production"},
		"unknown environment": {fleet(), Query{"qa", "web"}, `f has no environment "qa"; it has production, staging`, "rollpin nodes -e production"},
		"near role": {fleet(), Query{"production", "wed"},
			`no node has the role "wed" in environment "production" of f; did you mean web?; roles there are api, web`, "rollpin nodes -e production"},
		"role elsewhere": {fleet(), Query{"staging", "web"},
			`no node has the role "web" in environment "staging" of f; roles there are database; nodes with that role are in production`,
			"rollpin nodes -e staging"},
		"no environment asked": {fleet(), Query{"", "cache"}, `no node has the role "cache" in f; roles there are api, database, web`,
			"rollpin nodes -e production"},
		"no environments at all": {[]Node{{Name: "a"}}, Query{"p", "web"}, "f has 1 node, but none of them names its environment",
			"add nodes with a name, an address, an environment and roles to f"},
		"shell characters": {[]Node{{Name: "a", Environment: "it's; rm"}}, Query{"it's; rm", "web"},
			`no node has the role "web" in environment "it's; rm" of f`, `rollpin nodes -e 'it'\''s; rm'`},
	} {
		_, err := Select("f", c.nodes, c.q)
		var none *NoNodesError
		if !errors.As(err, &none) || none.Error() != c.want || none.Hint() != c.hint {
			t.Errorf("%s: got\n%v\n%v\nwant\n%s\n%s", name, err, none.Hint(), c.want, c.hint)
		}
	}
}

func TestLimit(t *testing.T) {
	for name, c := range map[string]struct {
		limit, exclude []string
		want, problem  string
	}{
		"everything":        {nil, nil, "web-1 web-2 web-10 db-1", ""},
		"names":             {[]string{"db-1", " web-1 "}, nil, "web-1 db-1", ""},
		"a glob":            {[]string{"web-*"}, []string{"web-1?"}, "web-1 web-2", ""},
		"a zone":            {[]string{"zone=b"}, nil, "web-2 web-10", ""},
		"unknown":           {[]string{"web-3"}, nil, "", `--limit: no node fits "web-3"; did you mean web-1 or web-2`},
		"unknown exclusion": {nil, []string{"cache-*"}, "", `--exclude: no node fits "cache-*"; there are web-1, web-2, web-10, db-1`},
		"unknown zone":      {[]string{"zone=x9"}, nil, "", `--limit: no node fits "zone=x9"; there are a, b`},
		"nothing is left":   {[]string{"web-1"}, []string{"web-*"}, "", "--limit and --exclude leave none of 4 nodes"},
		"an empty name":     {[]string{""}, nil, "", `--limit: "" is no name and no glob`},
		"a broken glob":     {nil, []string{"web-["}, "", `--exclude: "web-[" is no name and no glob`},
	} {
		got, err := Limit(fleet(), c.limit, c.exclude)
		if c.problem == "" {
			if err != nil || names(got) != c.want {
				t.Errorf("%s: got %s, %v", name, names(got), err)
			}
			continue
		}
		var failed *LimitError
		if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), c.problem) || failed.Hint() != "rollpin nodes -e production" {
			t.Errorf("%s: got %v, %v", name, names(got), err)
		}
	}
	if _, err := Limit(fleet(), []string{"nope-a"}, []string{"nope-b"}); strings.Count(err.Error(), "nope") != 2 {
		t.Errorf("not all problems at once: %v", err)
	}
}
