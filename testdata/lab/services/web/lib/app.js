'use strict';

const fs = require('node:fs');
const path = require('node:path');
const express = require('express');
const faults = require('./faults');

const root = path.dirname(__dirname);

// Every package that the app stands on, with its installed version; of a name installed twice, the one nearest to the app.
function dependencies() {
  const found = {};
  const wanted = [root];
  for (const dir of wanted) {
    for (const name of Object.keys(manifest(dir).dependencies || {})) {
      const at = installed(name, dir);
      if (!(name in found)) {
        found[name] = manifest(at).version;
        wanted.push(at);
      }
    }
  }
  return Object.fromEntries(Object.entries(found).sort());
}

function manifest(dir) {
  return JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'));
}

// Looks where require looks, but for the directory: many packages hide their package.json from require.
function installed(name, from) {
  for (let dir = from; ; dir = path.dirname(dir)) {
    const at = path.join(dir, 'node_modules', name);
    if (fs.existsSync(path.join(at, 'package.json'))) return at;
    if (dir === path.dirname(dir)) throw new Error(`${name} is not installed`);
  }
}

module.exports = function createApp() {
  const app = express();
  const running = { version: manifest(root).version, pid: process.pid, dependencies: dependencies() };

  app.get('/healthz', (request, response) => {
    const { code, word } = faults.health();
    response.status(code).json({ status: word, ...running });
  });

  app.get('/', (request, response) => {
    response.send(`<!doctype html><title>acme</title><p>Hello world, this is ${running.version}.\n`);
  });

  return app;
};
