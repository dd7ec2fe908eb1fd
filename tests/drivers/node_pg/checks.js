'use strict'
// One line per check, work over many clients at once, deadlines.

const { Client } = require('pg')

const CONNECTIONS = 8
const ROUNDS = 20
const PATIENCE_MS = 20000 // longer than anything here takes; only a failure waits for so long

const checks = []

// A check is an async function; it passes when it returns, and a string that it returns is printed as a note.
function check (name, run) {
  checks.push({ name, run })
}

function withDeadline (promise, what) {
  let timer
  const deadline = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not happen`)), PATIENCE_MS)
  })
  return Promise.race([promise, deadline]).finally(() => clearTimeout(timer))
}

async function runAll () {
  let failed = false
  for (const { name, run } of checks) {
    try {
      const note = await run()
      console.log(`${name}: ok`)
      if (typeof note === 'string') console.log(`note: ${name}: ${note}`)
    } catch (error) {
      failed = true
      const line = /programme\.js:(\d+)/.exec(error.stack) // an error from the server has lost its way here
      console.log(`${name}: FAILED: ${line ? `line ${line[1]}: ` : ''}${String(error.message).replace(/\s+/g, ' ')}`)
    }
  }
  process.exit(failed ? 1 : 0)
}

// Opens clients, hands them to the function, closes them whatever happens.
async function withClients (run, { count = CONNECTIONS, each = () => ({}) } = {}) {
  const clients = Array.from({ length: count }, (_, index) => new Client(each(index)))
  for (const client of clients) client.on('error', () => {}) // a lost connection shows in its next query
  try {
    await Promise.all(clients.map(client => client.connect()))
    return await run(clients)
  } finally {
    await Promise.allSettled(clients.map(client => client.end()))
  }
}

// Waits for all, then throws the first error.
async function forEach (clients, work) {
  const results = await Promise.allSettled(clients.map((client, index) => work(client, index)))
  const failure = results.find(result => result.status === 'rejected')
  if (failure) throw failure.reason
  return results.map(result => result.value)
}

function equal (actual, expected, what) {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (found !== wanted) throw new Error(`${what}: ${found} instead of ${wanted}`)
}

async function value (client, ...query) {
  const { rows } = await client.query(...query)
  return Object.values(rows[0])[0]
}

// Asks again and again: the question is itself a round trip to the server.
async function waitUntil (question, what) {
  const deadline = Date.now() + PATIENCE_MS
  while (!await question()) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen`)
  }
}

module.exports = { CONNECTIONS, ROUNDS, check, equal, forEach, runAll, value, waitUntil, withClients, withDeadline }
