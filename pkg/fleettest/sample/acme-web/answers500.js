exports.start = listen => listen()
exports.health = version => [500, { status: 'error', version, reason: 'cannot reach the database' }]
