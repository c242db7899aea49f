exports.start = listen => listen()
exports.health = () => [200, { status: 'ok', version: '1.9.9' }]
