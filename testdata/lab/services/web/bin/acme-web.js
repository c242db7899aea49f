#!/usr/bin/env node
'use strict';

const http = require('node:http');
const createApp = require('../lib/app');
const faults = require('../lib/faults');
const { name, version } = require('../package.json');

const address = process.env.ADDRESS || '0.0.0.0';
const port = Number(process.env.PORT || 8081);
const server = http.createServer();

function log(text) {
  process.stderr.write(`${name} ${version}: ${text}\n`);
}

async function main() {
  log(`starts on ${address}:${port}, pid ${process.pid}`);
  process.on('SIGTERM', () => {
    log('SIGTERM: ends');
    faults.atEnd(server);
    process.exit(0);
  });
  await faults.beforeListening();
  server.on('request', createApp());
  server.on('listening', () => faults.onceListening(log));
  server.listen(port, address);
}

main();
