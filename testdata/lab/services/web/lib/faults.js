'use strict';
// The ways in which a release of this app can be bad.

const { spawn } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');
const fault = require('./release');

exports.beforeListening = async () => {
  if (fault === 'dies') throw new Error('database schema 42 is too old for this release');
  if (fault === 'slow') await sleep(6000);
};

exports.onceListening = (log) => {
  if (fault !== 'flaps') return;
  setTimeout(() => {
    log('lost its queue and gives up');
    process.exit(1);
  }, 5000);
};

exports.health = () => (fault === 'unhealthy' ? { code: 500, word: 'error' } : { code: 200, word: 'ok' });

// With the fault "leaks", a child that nobody waits for keeps the listening socket, as its file descriptor 3.
exports.atEnd = (server) => {
  if (fault !== 'leaks' || !server.listening) return;
  const idle = 'process.title = "acme-web-leak"; setInterval(() => {}, 1 << 30)';
  spawn(process.execPath, ['-e', idle], {
    argv0: 'acme-web-leak',
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', server._handle.fd],
  });
};
