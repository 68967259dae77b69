#!/usr/bin/env node
// What one would write for Node today: the same protocol, to be measured beside runwired.
//
// Any number of clients, their commands side by side, a client's one after the other; one write per reply,
// with TCP_NODELAY.
//
// It runs whatever it is sent: for loopback, and for measuring only.

"use strict";

const { spawn } = require("node:child_process");
const net = require("node:net");

function frame(output) {
  const payload = Buffer.concat(output);
  const header = Buffer.from(JSON.stringify({ filename: "cls.txt", len: payload.length }));
  const size = Buffer.alloc(4);
  size.writeInt32LE(header.length);
  return Buffer.concat([size, header, payload]);
}

function run(command) {
  return new Promise((resolve, reject) => {
    const shell = spawn("/bin/sh", ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
    const stdout = [];
    const stderr = [];
    shell.on("error", reject);
    shell.stdout.on("data", (chunk) => stdout.push(chunk));
    shell.stderr.on("data", (chunk) => stderr.push(chunk));
    shell.on("close", () => resolve(frame([...stdout, ...stderr])));
  });
}

function send(socket, reply) {
  return new Promise((resolve, reject) => {
    socket.write(reply, (error) => (error ? reject(error) : resolve()));
  });
}

async function serve(socket) {
  socket.setNoDelay(true);
  try {
    for await (const command of socket) {
      await send(socket, await run(command.toString()));
    }
    socket.end();
  } catch {
    socket.destroy(); // this client has gone, or its command could not be started
  }
}

// Half open: a client that has sent its last command still gets the reply.
const server = net.createServer({ allowHalfOpen: true }, serve);
server.listen({ host: "127.0.0.1", port: Number(process.argv[2] ?? 0), backlog: 1024 }, () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
process.on("SIGTERM", () => process.exit(0));
