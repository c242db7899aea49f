package pkgmgr

import "github.com/rollpin/rollpin/pkg/shell"

// ProbePrefix asks the prefix's own interpreter.
func (pip) ProbePrefix(_ Source, prefix string) shell.Script {
	return shell.Script{Name: "probe pip", Vars: []shell.Var{{Name: "prefix", Value: prefix}},
		Body: body("pip-prefix", "pip-installed", "pip-probe-prefix", "pip-probe")}
}

// InstallPrefix lets pip install the lock, by hashes and without looking for dependencies, as if another root lay above the prefix.
func (pip) InstallPrefix(s Source, l Lock, dir, prefix string) shell.Script {
	vars := append(pipVars(s), shell.Var{Name: "lock", Value: l.Text}, shell.Var{Name: "dir", Value: dir}, shell.Var{Name: "prefix", Value: prefix})
	return shell.Script{Name: "install", Vars: vars,
		Body: body("temporary", "pip-prefix", "pip", "pip-installed", "pip-replaced", "pip-install-prefix")}
}

// Prefix knows from the lists of files that pip leaves what belongs to which package.
func (pip) Prefix(_ Source, prefix string) shell.Script {
	return shell.Script{Vars: []shell.Var{{Name: "prefix", Value: prefix}}, Body: body("pip-prefix", "pip-installed", "pip-replaced")}
}

func prefixVars(s Source, prefix string) []shell.Var {
	return []shell.Var{{Name: "prefix", Value: prefix}, {Name: "package", Value: s.Package}}
}

// ProbePrefix looks at the one package and its dependencies: others of the prefix have their own.
func (npm) ProbePrefix(s Source, prefix string) shell.Script {
	return shell.Script{Name: "probe npm", Vars: prefixVars(s, prefix), Body: body("npm-prefix", "npm-installed", "npm-probe-prefix", "npm-probe")}
}

// InstallPrefix is npm ci beside the prefix; then the dependencies are put into the package, as npm install --global does.
func (npm) InstallPrefix(s Source, l Lock, dir, prefix string) shell.Script {
	return shell.Script{Name: "install", Vars: append(installVars(s, l, dir), prefixVars(s, prefix)...),
		Body: body("temporary", "npm-prefix", "npm", "npm-installed", "npm-install-prefix")}
}

// Prefix knows the folder of the package, and its commands by where they lead.
func (npm) Prefix(s Source, prefix string) shell.Script {
	return shell.Script{Vars: prefixVars(s, prefix), Body: body("npm-prefix", "npm-installed")}
}

// SameName compares as PEP 503 has it.
func (pip) SameName(a, b string) bool { return pypiNormalName(a) == pypiNormalName(b) }

// SameName compares letter by letter.
func (npm) SameName(a, b string) bool { return a == b }
