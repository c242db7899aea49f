exports.start = listen => setTimeout(listen, 2000)
exports.health = version => [200, { status: 'ok', version }]
