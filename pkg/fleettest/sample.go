package fleettest

import "embed"

//go:embed sample
var samples embed.FS

// variant is one version of both sample applications.
type variant struct{ version, npm, behaviour, yanked string }

func variants() []variant {
	return []variant{
		{"1.0.0", "1.0.0", "good", ""},
		{"1.0.1", "", "good", "greets the wrong person"}, // npm does not yank
		{"1.1.0", "1.1.0", "good", ""},
		{"1.2.0", "1.2.0", "good", ""},
		{"1.3.0", "1.3.0", "dies", ""},
		{"1.4.0", "1.4.0", "answers500", ""},
		{"1.5.0", "1.5.0", "slow", ""},
		{"1.6.0rc1", "1.6.0-rc.1", "good", ""},
		{"2.0.0", "2.0.0", "lies", ""},
	}
}

// SampleWheels are the application acme-api and its dependency acme-greeting, for NewIndex. Of acme-api, 1.0.0, 1.1.0 and 1.2.0 work; 1.3.0 dies at
// its start, 1.4.0 answers 500, 1.5.0 takes two seconds to start, 2.0.0 reports the version 1.9.9; 1.6.0rc1 is a prerelease and 1.0.1 is yanked.
func SampleWheels() []Wheel {
	wheels := []Wheel{
		{Name: "acme-greeting", Version: "1.0.0", Files: map[string]string{"acme_greeting/__init__.py": sample("acme_greeting/hello.py")}},
		{Name: "acme-greeting", Version: "1.1.0", Files: map[string]string{"acme_greeting/__init__.py": sample("acme_greeting/good_day.py")}},
	}
	for _, v := range variants() {
		requires := "acme-greeting>=1.1"
		if v.version == "1.0.0" {
			requires = "acme-greeting==1.0.0"
		}
		wheels = append(wheels, Wheel{
			Name: "acme-api", Version: v.version, Requires: []string{requires}, Yanked: v.yanked, RequiresPython: ">=3.8",
			Scripts: map[string]string{"acme-api": "acme_api.server:main"},
			Files: map[string]string{
				"acme_api/__init__.py": "",
				"acme_api/server.py":   sample("acme_api/server.py"),
				"acme_api/variant.py":  sample("acme_api/" + v.behaviour + ".py"),
			},
		})
	}
	return wheels
}

// SampleNPM are the application acme-web and its dependency acme-colors, for NewRegistry. The versions behave like those of SampleWheels;
// the prerelease is 1.6.0-rc.1, and 1.0.1 is missing.
func SampleNPM() []NPMPackage {
	packages := []NPMPackage{
		{Name: "acme-colors", Version: "1.0.0", Files: map[string]string{"index.js": sample("acme-colors/plain.js")}},
		{Name: "acme-colors", Version: "1.1.0", Files: map[string]string{"index.js": sample("acme-colors/blue.js")}},
	}
	for _, v := range variants() {
		if v.npm == "" {
			continue
		}
		colors := "^1.1.0"
		if v.npm == "1.0.0" {
			colors = "1.0.0"
		}
		packages = append(packages, NPMPackage{
			Name: "acme-web", Version: v.npm, Dependencies: map[string]string{"acme-colors": colors},
			Bin: map[string]string{"acme-web": "server.js"},
			Files: map[string]string{
				"server.js":  sample("acme-web/server.js"),
				"variant.js": sample("acme-web/" + v.behaviour + ".js"),
			},
		})
	}
	return packages
}

// sample is the text of one embedded file.
func sample(name string) string {
	text, err := samples.ReadFile("sample/" + name)
	if err != nil {
		panic(err) // this package names a file that it does not have
	}
	return string(text)
}
