# All that rollpin needs of Consul to find nodes: consul acl policy create -name rollpin -rules @consul-policy.hcl
node_prefix "" {
  policy = "read"
}
# Only for discovery by services (match: service); without it the other ways work as well.
service_prefix "" {
  policy = "read"
}
