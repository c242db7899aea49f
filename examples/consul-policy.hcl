# All that rollpin needs of Consul to find nodes: consul acl policy create -name rollpin -rules @consul-policy.hcl
node_prefix "" {
  policy = "read"
}
# Only for discovery by services (match: service), and by filters that name them.
service_prefix "" {
  policy = "read"
}
