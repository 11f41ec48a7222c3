// The part of the package `sqlite3` that knex calls, on SQLite in WebAssembly.
//
// Why: the real package compiles SQLite for minutes, unless it can download a binary from elsewhere.

const { Database: Wasm } = require("node-sqlite3-wasm");

// All connections of the pool share one, because a second one would find the file locked.
const open = new Map();

function connection(filename) {
  if (!open.has(filename)) {
    const wasm = new Wasm(filename);
    // The default of SQLite, which this build of it changes.
    wasm.exec("PRAGMA foreign_keys = OFF");
    open.set(filename, wasm);
  }
  return open.get(filename);
}

function bindable(value) {
  if (value === undefined) return null;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Date ? value.getTime() : value;
}

class Database {
  constructor(filename, _flags, opened) {
    this.wasm = connection(filename);
    setImmediate(opened, null);
  }

  all(sql, bindings, done) {
    this.call("all", sql, bindings, (rows) => done.call({}, null, rows), done);
  }

  run(sql, bindings, done) {
    const finish = (info) => done.call({ lastID: info.lastInsertRowid, changes: info.changes }, null);
    this.call("run", sql, bindings, finish, done);
  }

  call(method, sql, bindings, finish, fail) {
    let result;
    try {
      result = this.wasm[method](sql, (bindings ?? []).map(bindable));
    } catch (error) {
      setImmediate(fail, error);
      return;
    }
    setImmediate(finish, result);
  }

  close(done) {
    setImmediate(done, null);
  }
}

module.exports = { Database, OPEN_READWRITE: 2, OPEN_CREATE: 4 };
