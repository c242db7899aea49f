# All that rollpin needs of Consul: consul acl policy create -name rollpin -rules @consul-policy.hcl
# To find nodes.
node_prefix "" {
  policy = "read"
}
# Only for discovery by services (match: service); without it the other ways work as well.
service_prefix "" {
  policy = "read"
}
# For the locks of deployments and their records; not needed with lock: file.
session_prefix "" {
  policy = "write"
}
key_prefix "rollpin/" {
  policy = "write"
}
