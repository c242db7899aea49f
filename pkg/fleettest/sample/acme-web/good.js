exports.start = listen => listen()
exports.health = version => [200, { status: 'ok', version }]
