#!/usr/bin/env node
/**
 * What `pilvi` is on disk: runs the chunks that tools/build.mjs wrote, from the code that V8 compiled at build time where this Node takes it, from their text
 * else. Plain JavaScript, because nothing has compiled it.
 */
'use strict';
const { isAscii } = require('node:buffer');
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { types } = require('node:util');
const vm = require('node:vm');

const folder = `${__dirname}/chunks/`;
/** Exports of chunks that ran, by their paths in one another. */
const chunks = new Map();

/** The chunk's function. A Node that maps stacks to sources compiles by itself, because it looks for maps nowhere else. */
function compile(path) {
  const filename = folder + path;
  const bytes = readFileSync(filename);
  // A string of bytes is read and kept in half the room.
  const text = bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
  if (process.sourceMapsEnabled) {
    const mapped = new Module(filename);
    mapped._compile(`module.exports=${text}`, filename);
    return mapped.exports;
  }
  return new vm.Script(text, { filename, cachedData: readCompiled(filename) }).runInThisContext();
}

function readCompiled(filename) {
  try {
    return readFileSync(`${filename}.compiled`);
  } catch {
    return undefined;
  }
}

function load(path) {
  let exports = chunks.get(path);
  if (exports === undefined) {
    exports = {};
    chunks.set(path, exports);
    compile(path)(exports, outside, `file://${folder}${path}`);
  }
  return exports;
}

/** Chunks by their paths, all else as Node finds it from here. */
function outside(path) {
  return path.startsWith('./') ? load(path.slice(2)) : require(path);
}

/** A module as `import * as` and `import()` show it: a CommonJS one is its own default. */
outside.namespace = (path) => {
  const found = outside(path);
  if (path.startsWith('./') || types.isModuleNamespaceObject(found)) return found;
  return Object.create(found, { default: { value: found } });
};

/** `import()`: a script with compiled code may not use Node's own. */
outside.later = async (path) => (path.startsWith('./') ? outside(path) : import(path));

// The build writes its name here.
load('MAIN_CHUNK');
