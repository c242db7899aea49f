package config

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

func sshKeys() kind[SSH] {
	files := func(want string) kind[[]string] { return several(want+", or a list of them", localPath(want)) }
	jump := text("[USER@]HOST[:PORT], several separated by commas, or none", isJump)
	return object("ssh",
		key("user", token("a user name"), func(s *SSH) *string { return &s.User }),
		key("port", integer(1, 65535), func(s *SSH) *int { return &s.Port }),
		key("identity_files", files("a private key file"), func(s *SSH) *[]string { return &s.IdentityFiles }),
		key("config_file", localPath("a file as ~/.ssh/config, or none").or("none", "none"), func(s *SSH) *string { return &s.ConfigFile }),
		key("known_hosts", files("a known_hosts file"), func(s *SSH) *[]string { return &s.KnownHosts }),
		key("proxy_jump", jump, func(s *SSH) *string { return &s.ProxyJump }),
		key("become", enum("sudo", "none").or("none", ""), func(s *SSH) *string { return &s.Become }),
		key("become_user", token("a user name"), func(s *SSH) *string { return &s.BecomeUser }),
		key("become_password_env", envName(), func(s *SSH) *string { return &s.BecomePasswordEnv }),
		key("become_password_file", localPath("a file that holds the password"), func(s *SSH) *string { return &s.BecomePasswordFile }),
		key("connect_timeout", duration(time.Second, time.Hour), func(s *SSH) *time.Duration { return &s.ConnectTimeout }),
		key("keepalive", duration(time.Second, time.Hour), func(s *SSH) *time.Duration { return &s.KeepAlive }),
	).rivals("become_password_env", "become_password_file").then(checkBecome)
}

func isJump(text string) bool {
	return !slices.ContainsFunc(strings.Split(text, ","), func(hop string) bool {
		user, host, found := strings.Cut(hop, "@")
		if !found {
			user, host = "-", hop
		}
		return user == "" || host == "" || hop[0] == '-' || host[0] == ':' || strings.ContainsFunc(hop, unicode.IsSpace)
	})
}

func checkBecome(r *reader, t *tree, s *SSH) {
	for _, name := range []string{"become_user", "become_password_env", "become_password_file"} {
		if found := t.get(name); found != nil && t.get("become") == nil {
			r.fail(found, "has no meaning without become: sudo")
		}
	}
	if s.Become != "" && s.BecomeUser == "" {
		s.BecomeUser = "root"
	}
}
