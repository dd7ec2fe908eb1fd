'use strict'
// node-pg: unnamed parameterised queries, named ones, its pool, its own cancel. It knows no COPY without another package.

const pg = require('pg')
const { CONNECTIONS, ROUNDS, check, equal, forEach, runAll, value, waitUntil, withClients, withDeadline } = require('./checks')

const SLEEPING = "select count(*)::int from pg_stat_activity where wait_event = 'PgSleep' and query like '%node-pg sleeper%'"
const WHOLE = { name: 'whole', text: 'select * from cached where id = $1' }

check('parameters', () => withClients(clients => forEach(clients, async (client, index) => {
  for (let number = 0; number < ROUNDS; ++number) {
    equal(await value(client, 'select $1::int * 2', [index * 1000 + number]), (index * 1000 + number) * 2, 'product')
    equal(await value(client, 'select note from cached where id = $1', [index + 1]), `note ${index + 1}`, 'note')
  }
})))

check('named queries', () => withClients(clients => forEach(clients, async (client, index) => {
  for (let number = 0; number < ROUNDS; ++number) {
    equal(await value(client, { name: 'product', text: 'select $1::int * 2', values: [number] }), number * 2, 'product')
    // The same name on every client, with another text on each.
    equal(await value(client, { name: 'mine', text: `select $1::int + ${index}`, values: [number] }), number + index, 'sum')
  }
})))

check('queued queries', () => withClients(clients => forEach(clients, async (client, index) => {
  const queries = Array.from({ length: ROUNDS }, (_, number) =>
    value(client, { name: `queued ${number % 3}`, text: `select $1::int + ${number % 3}`, values: [index] }))
  equal(await Promise.all(queries), queries.map((_, number) => index + number % 3), 'answers in order')
})))

check('transactions', () => withClients(async clients => {
  await forEach(clients, async (client, index) => {
    const insert = { name: 'insert', text: 'insert into items values ($1, $2)' }
    for (let number = 0; number < ROUNDS; ++number) {
      await client.query('begin')
      await client.query({ ...insert, values: [index, `kept ${number}`] })
      await client.query('commit')
      await client.query('begin')
      await client.query({ ...insert, values: [index, `lost ${number}`] })
      equal(await value(client, 'select count(*)::int from items where writer = $1', [index]), number + 2, 'own rows')
      await client.query('rollback')
    }
  })
  const count = await value(clients[0], 'select count(*)::int from items where writer < $1', [CONNECTIONS])
  equal(count, CONNECTIONS * ROUNDS, 'rows in the end')
}))

check('savepoints', () => withClients(clients => forEach(clients, async (client, index) => {
  await client.query('begin')
  await client.query("insert into items values ($1, 'before')", [500 + index])
  await client.query('savepoint inner_one')
  await expectCode('22012', client.query('select 1 / $1::int', [0]))
  await client.query('rollback to savepoint inner_one')
  await client.query("insert into items values ($1, 'after')", [500 + index])
  await client.query('commit')
  const { rows } = await client.query('select note from items where writer = $1 order by note', [500 + index])
  equal(rows, [{ note: 'after' }, { note: 'before' }], 'rows around the savepoint')
})))

check('an error in a named query', () => withClients(clients => forEach(clients, async client => {
  for (let number = 0; number < 5; ++number) {
    await expectCode('22012', client.query({ name: 'division', text: 'select 1 / $1::int', values: [0] }))
    equal(await value(client, { name: 'division', text: 'select 1 / $1::int', values: [1] }), 1, 'the same statement after it')
    await expectCode('42P01', client.query({
      name: 'no table', text: 'select * from no_such_table where id = $1', values: [0]
    }))
  }
})))

check('pool', async () => {
  const pool = new pg.Pool({ max: CONNECTIONS })
  try {
    const work = Array.from({ length: 200 }, async (_, number) => {
      equal(await value(pool, { name: 'pooled', text: 'select $1::int + 1', values: [number] }), number + 1, 'sum')
    })
    await Promise.all(work)
  } finally {
    await pool.end()
  }
})

check('cancel', () => withClients(clients => forEach(clients, async (client, index) => {
  if (index === 0) {
    await expectCode('57014', sleep(client))
    equal(await value(client, 'select $1::int', [7]), 7, 'the session after the cancel')
  } else if (index === 1) {
    await waitUntil(async () => await value(client, SLEEPING) === 1, 'the sleep')
    new pg.Client().cancel(clients[0], clients[0].sleeper)
  } else {
    for (let number = 0; number < ROUNDS * 5; ++number) {
      equal(await value(client, 'select $1::int', [number]), number, "a bystander's answer")
    }
  }
})))

// cancel() wants the Query object, and with one of those query() gives no promise.
function sleep (client) {
  return new Promise((resolve, reject) => {
    client.sleeper = new pg.Query('select pg_sleep(20) /* node-pg sleeper */', error => error ? reject(error) : resolve())
    client.query(client.sleeper)
  })
}

check('notify', () => withClients(async clients => {
  const expected = 5 * (CONNECTIONS - 1)
  const payloads = []
  const all = new Promise(resolve => {
    clients[0].on('notification', message => {
      payloads.push(message.payload)
      if (payloads.length === expected) resolve()
    })
  })
  await clients[0].query('listen node_pg')
  await forEach(clients, async (client, index) => {
    if (index === 0) return withDeadline(all, `${expected} notifications`)
    for (let number = 0; number < 5; ++number) {
      await client.query("select pg_notify('node_pg', $1)", [`from ${index}, ${number}`])
      equal(await value(client, 'select $1::int', [number]), number, 'an answer')
    }
  })
  equal(new Set(payloads).size, expected, 'different payloads')
  await clients[0].query('unlisten *')
}))

async function settingsOf (client) {
  const found = []
  for (const query of ['show timezone', 'show application_name', 'show work_mem', 'select name from place']) {
    found.push(await value(client, query))
  }
  return found
}

check('settings', () => withClients(async clients => {
  const compare = async (client, index) => {
    equal(await settingsOf(client),
      [`Etc/GMT+${index + 1}`, `client ${index}`, `${index + 1}MB`, `place_${index + 1}`], 'settings')
  }
  await forEach(clients, async (client, index) => {
    await client.query(`set timezone to 'Etc/GMT+${index + 1}'; set application_name to 'client ${index}'`)
    await client.query("select set_config('work_mem', $1, false)", [`${index + 1}MB`])
    await client.query(`set search_path to place_${index + 1}`)
  })
  for (let round = 0; round < 5; ++round) await forEach(clients, compare)
  await forEach(clients, async client => {
    await client.query('begin')
    await client.query("set local work_mem to '77MB'")
    equal(await value(client, 'show work_mem'), '77MB', 'SET LOCAL inside')
    await client.query('commit')
  })
  await forEach(clients, compare)
}))

check('settings at connect', () => withClients(async clients => {
  for (let round = 0; round < 3; ++round) {
    await forEach(clients, async (client, index) => {
      equal(await settingsOf(client),
      [`Etc/GMT-${index + 1}`, `started ${index}`, `${index + 1}MB`, `place_${index + 1}`], 'settings')
    })
  }
}, {
  each: index => ({
    application_name: `started ${index}`,
    options: `-c timezone=Etc/GMT-${index + 1} -c work_mem=${index + 1}MB -c search_path=place_${index + 1}`
  })
}))

check('cached plan', () => withClients(clients => withClients(async ([ddl, newcomer]) => {
  for (let round = 0; round < 3; ++round) {
    await forEach(clients, async (client, index) => {
      const { rows } = await client.query({ ...WHOLE, values: [index + 1] })
      equal(rows, [{ id: index + 1, note: `note ${index + 1}` }], 'row')
    })
  }
  await ddl.query('alter table cached add column extra int default 5')
  for (let round = 0; round < 2; ++round) {
    const { rows } = await newcomer.query({ ...WHOLE, values: [1] })
    equal(rows, [{ id: 1, note: 'note 1', extra: 5 }], "a newcomer's row")
  }
  const outcomes = await forEach(clients, rowAfterChange)
  return `after DDL it gets ${[...new Set(outcomes)].sort().join(' or ')}`
}, { count: 2 })))

async function rowAfterChange (client, index) {
  const expected = [{ id: index + 1, note: `note ${index + 1}`, extra: 5 }]
  for (let attempt = 0; attempt < 3; ++attempt) {
    try {
      const { rows } = await client.query({ ...WHOLE, values: [index + 1] })
      equal(rows, expected, 'row after DDL')
      return attempt === 0 ? 'the new rows' : `0A000 ${attempt} times, then the new rows`
    } catch (error) {
      if (error.code !== '0A000') throw error
    }
  }
  const { rows } = await client.query({ ...WHOLE, name: 'whole again', values: [index + 1] })
  equal(rows, expected, 'row in the end')
  return '0A000 every time; the new rows under another name'
}

check('newcomers see defaults', () => withClients(clients => forEach(clients, async client => {
  equal(await value(client, 'show work_mem'), '4MB', 'work_mem')
  equal(await value(client, 'show application_name'), '', 'application_name')
  equal(await value(client, 'show search_path'), '"$user", public', 'search_path')
})))

check('console', async () => {
  if (process.env.DRIVERS_SERVER !== 'pgweir') return 'PostgreSQL has none'
  const client = new pg.Client({ user: 'admin', password: 'admin', database: 'pgweir' })
  await client.connect()
  try {
    for (let round = 0; round < 3; ++round) {
      const { rows, fields } = await client.query('show stats')
      equal(fields.slice(0, 2).map(field => field.name), ['database', 'total_server_assignment_count'], 'the columns')
      equal(rows.every(row => Number(row.total_query_count) >= 0), true, 'numbers')
      const named = { name: 'one', text: "select name, paused from databases where name = 'pgweir'" }
      equal((await client.query(named)).rows, [{ name: 'pgweir', paused: 0 }], 'a row of a named query')
    }
    await client.query('begin')
    await client.query("pause app timeout '5s'")
    equal((await client.query('resume app')).command, 'RESUME', 'the tag')
    await client.query('commit')
    await expectCode('42703', client.query('select nothing from pools'))
    equal((await value(client, 'select version()')).split(' ')[0], 'pgweir', 'the version')
  } finally {
    await client.end()
  }
})

async function expectCode (code, query) {
  try {
    await query
  } catch (error) {
    equal(error.code, code, `the error (${error.message})`)
    return
  }
  throw new Error(`no error ${code}`)
}

console.log(`version: ${require('pg/package.json').version}, Node.js ${process.version}`)
runAll()
