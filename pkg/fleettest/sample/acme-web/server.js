#!/usr/bin/env node
// A small web service: /healthz tells the running version, / greets through a dependency.
const http = require('http')
const { paint } = require('acme-colors')
const { version } = require('./package.json')
const variant = require('./variant.js')

function answer(request, response) {
  if (request.url === '/healthz') {
    const [status, body] = variant.health(version)
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(body))
  } else if (request.url === '/') {
    response.end(paint('acme-web ' + version) + '\n')
  } else {
    response.writeHead(404)
    response.end('not found\n')
  }
}

variant.start(() => {
  const port = Number(process.env.PORT || 8080)
  http.createServer(answer).listen(port, '127.0.0.1', () => console.log(`acme-web ${version} listens on port ${port}`))
})
