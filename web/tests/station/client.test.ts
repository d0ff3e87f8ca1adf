import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { ProblemError, UnreachableError } from '../../src/shared/http'
import { StationClient, type OpenWire, type Pulse, type StationListener, type WireListener } from '../../src/station/client'
import { Journal } from '../../src/station/journal'
import { helloText, type Hello, type OpenCommand, type StationCall, type StationConfig } from '../../src/station/protocol'

const NOW = Date.parse('2026-11-22T08:00:00.000Z')
const iso = (ms: number): string => new Date(ms).toISOString()

const config: StationConfig = {
  version: 7,
  station: { id: 's', name: '3栋2单元', kind: 'unit', community: '幸福里小区', language: 'zh' },
  doors: [{ id: 'door-1', name: '3栋2单元门', relay: 1, hold_s: 3, primary: true }],
  dial: { kind: 'room', hint: { zh: '', en: '' } },
  ring_s: 30,
  talk_s: 120,
  relay: { kind: 'drawn', url: null },
  ice_servers: [],
}

const call = (change: Partial<StationCall> = {}): StationCall => ({
  id: 'c1',
  version: 1,
  state: 'ringing',
  dial: '1201',
  placed_at: iso(NOW),
  expires_at: iso(NOW + 30_000),
  talk_until: null,
  answered_at: null,
  answered_leg_id: null,
  ended_at: null,
  end_reason: null,
  legs: [],
  ...change,
})

const command = (change: Partial<OpenCommand> = {}): OpenCommand => ({
  command_id: 'cmd1',
  door_id: 'door-1',
  relay: 1,
  hold_s: 3,
  issued_at: iso(Date.now()),
  expires_at: iso(Date.now() + 5_000),
  call_id: null,
  by: 'app',
  ...change,
})

/** A server on the other end of the wire: it keeps what came, and answers by rules the test may change. */
class Far {
  hellos: Hello[] = []
  wires: { listener: WireListener; closed: boolean }[] = []
  sent: { event: string; body: Record<string, unknown> }[] = []
  silent = new Set<string>()
  answers: Record<string, (body: Record<string, unknown>) => unknown> = {}
  /** How far the server's clock is ahead of the station's. */
  aheadMs = 0

  readonly open: OpenWire = (hello, listener) => {
    this.hellos.push(hello)
    const wire = { listener, closed: false }
    this.wires.push(wire)
    return {
      send: async (event, body) => {
        if (wire.closed) throw new Error('closed')
        this.sent.push({ event, body: body as Record<string, unknown> })
        if (this.silent.has(event)) throw new Error('no answer')
        await Promise.resolve()
        return this.answers[event]?.(body as Record<string, unknown>) ?? { ok: true, server_time: iso(this.now()) }
      },
      close: () => {
        wire.closed = true
      },
    }
  }

  now(): number {
    return Date.now() + this.aheadMs
  }

  get last(): { listener: WireListener; closed: boolean } {
    return this.wires.at(-1)!
  }

  welcome(active: StationCall | null = null): void {
    this.last.listener.connected()
    this.last.listener.event('welcome', { server_time: iso(this.now()), heartbeat_s: 10, config, call: active })
  }

  of(event: string): Record<string, unknown>[] {
    return this.sent.filter((one) => one.event === event).map((one) => one.body)
  }
}

class MemoryStore extends Map<string, string> {
  getItem = (key: string): string | null => this.get(key) ?? null
  setItem = (key: string, value: string): void => void this.set(key, value)
  removeItem = (key: string): void => void this.delete(key)
}

let far: Far
let store: MemoryStore
let heard: { links: string[]; calls: (StationCall | null)[]; opened: string[]; pulses: string[] }
let pulse: (command: OpenCommand) => Promise<Pulse>
let client: StationClient
let sign: (text: string) => Promise<string>

function station(): StationClient {
  const listener: StationListener = {
    link: (link, slug) => heard.links.push(slug ? `${link}:${slug}` : link),
    config: () => undefined,
    call: (one) => heard.calls.push(one),
    signal: () => undefined,
    opened: (_, result) => heard.opened.push(result.result),
  }
  return new StationClient({
    identity: { station_id: 'station-1', audience: 'community-1' },
    sign: (text) => sign(text),
    openWire: far.open,
    journal: new Journal(store, 'journal'),
    listener,
    pulse: (one) => {
      heard.pulses.push(one.command_id)
      return pulse(one)
    },
    contactOf: () => 'closed',
    now: () => Date.now(),
  })
}

const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)

async function connected(active: StationCall | null = null): Promise<void> {
  client.start()
  await settle()
  far.welcome(active)
  await settle()
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  far = new Far()
  store = new MemoryStore()
  heard = { links: [], calls: [], opened: [], pulses: [] }
  pulse = () => Promise.resolve({ result: 'opened', detail: null })
  sign = (text) => Promise.resolve(`signed(${text})`)
  client = station()
})

afterEach(() => {
  client.stop()
  vi.useRealTimers()
})

describe('hello', () => {
  it('signs station, audience, time and a nonce that is new for each connection', async () => {
    await connected()
    const [hello] = far.hellos
    expect(hello).toMatchObject({ protocol: 1, station_id: 'station-1', audience: 'community-1', issued_at_ms: NOW })
    expect(hello!.signature).toBe(`signed(${helloText({ station_id: 'station-1', audience: 'community-1' }, NOW, hello!.nonce)})`)
    far.last.listener.disconnected()
    await settle(1_000)
    expect(far.hellos).toHaveLength(2)
    expect(far.hellos[1]!.nonce).not.toBe(hello!.nonce)
  })

  it('corrects a wrong clock from hello-expired and comes back', async () => {
    far.aheadMs = 3_600_000
    client.start()
    await settle()
    far.last.listener.refused('hello-expired', {
      type: '/problems/hello-expired',
      title: '',
      status: 401,
      server_time: iso(far.now()),
    })
    await settle(1_000)
    expect(far.hellos[1]!.issued_at_ms - far.hellos[0]!.issued_at_ms).toBeGreaterThanOrEqual(3_600_000)
    far.welcome()
    expect(heard.links.at(-1)).toBe('online')
    expect(client.clockOffsetMs).toBe(3_600_000)
  })

  it('says that it is refused, and asks again slowly: it may be paired again', async () => {
    client.start()
    await settle()
    far.last.listener.refused('station-unknown', { type: '/problems/station-unknown', title: '', status: 401 })
    await settle(14_000)
    expect(heard.links.at(-1)).toBe('refused:station-unknown')
    expect(far.hellos).toHaveLength(1)
    await settle(2_000)
    expect(far.hellos).toHaveLength(2)
    far.welcome()
    expect(heard.links.at(-1)).toBe('online')
  })

  it('is online only after the welcome', async () => {
    client.start()
    await settle()
    far.last.listener.connected()
    expect(heard.links).not.toContain('online')
    far.welcome()
    expect(heard.links.at(-1)).toBe('online')
    expect(far.of('config.applied')).toEqual([{ version: 7 }])
  })
})

describe('heartbeat', () => {
  it('goes out at once and then at the interval of the welcome, with doors and versions', async () => {
    await connected()
    await settle(30_000)
    expect(far.of('heartbeat')).toHaveLength(4)
    expect(far.of('heartbeat')[0]).toMatchObject({ config_version: 7, doors: [{ door_id: 'door-1', contact: 'closed' }] })
  })

  it('leaves a wire that answers nothing and makes a new one', async () => {
    await connected()
    far.silent.add('heartbeat')
    await settle(25_000)
    expect(heard.links).toContain('offline')
    expect(far.hellos.length).toBeGreaterThan(1)
    expect(far.wires[0]!.closed).toBe(true)
  })
})

describe('calls', () => {
  it('ignores versions that are not newer', async () => {
    await connected()
    far.last.listener.event('call', call({ version: 3, state: 'answered' }))
    far.last.listener.event('call', call({ version: 2 }))
    far.last.listener.event('call', call({ version: 3, state: 'ended' }))
    expect(heard.calls.map((one) => one?.version)).toEqual([3])
    expect(client.call?.state).toBe('answered')
  })

  it('repeats a press whose answer was lost under the same request', async () => {
    await connected()
    let first = true
    far.answers.press = () => {
      if (first) {
        first = false
        throw new Error('lost')
      }
      return { call: call() }
    }
    const pressed = client.press('1201')
    await settle(1_000)
    expect((await pressed).id).toBe('c1')
    const [one, two] = far.of('press')
    expect(one!.request_id).toBe(two!.request_id)
  })

  it('repeats a press on the next connection and takes the call it finds there for its own', async () => {
    await connected()
    far.silent.add('press')
    const pressed = client.press('1201')
    await settle()
    far.last.listener.disconnected()
    far.silent.clear()
    far.answers.press = () => ({ call: call({ version: 2 }) })
    await settle(350)
    far.welcome(call())
    await settle(2_000)
    expect((await pressed).id).toBe('c1')
    expect(far.of('hangup')).toEqual([])
    expect(new Set(far.of('press').map((one) => one.request_id)).size).toBe(1)
    expect(client.call?.id).toBe('c1')
  })

  it('gives up after some seconds without an answer, and ends what it finds then', async () => {
    await connected()
    far.silent.add('press')
    const pressed = client.press('1201').catch((error: unknown) => error)
    await settle(1_000)
    far.last.listener.disconnected()
    await settle(1_000)
    far.welcome(call())
    await settle(8_000)
    expect(await pressed).toBeInstanceOf(UnreachableError)
    expect(far.of('hangup')).toEqual([{ call_id: 'c1', reason: 'station_restarted' }])
  })

  it('gives a refused press as the problem it is', async () => {
    await connected()
    far.answers.press = () => ({ problem: { type: '/problems/room-unknown', title: 'x', status: 404 } })
    await expect(client.press('9999')).rejects.toBeInstanceOf(ProblemError)
    expect(far.of('press')).toHaveLength(1)
  })

  it('hangs up a call it does not know after a restart', async () => {
    await connected(call({ id: 'c-old' }))
    expect(far.of('hangup')).toEqual([{ call_id: 'c-old', reason: 'station_restarted' }])
  })

  it('goes on with its own call after a reconnect, and ends what the server has ended', async () => {
    await connected()
    far.last.listener.event('call', call())
    far.last.listener.disconnected()
    await settle(1_000)
    far.welcome(call({ version: 2, state: 'answered' }))
    await settle()
    expect(far.of('hangup')).toEqual([])
    expect(client.call?.version).toBe(2)
    far.last.listener.disconnected()
    await settle(1_000)
    far.welcome(null)
    expect(client.call).toBeNull()
    expect(heard.calls.at(-1)).toBeNull()
  })

  it('keeps a hang-up that could not be told, and tells it after the welcome', async () => {
    await connected()
    far.last.listener.event('call', call())
    far.last.listener.disconnected()
    await client.hangup('c1', 'visitor')
    expect(far.of('hangup')).toEqual([])
    await settle(1_000)
    far.welcome(call())
    await settle()
    expect(far.of('hangup')).toEqual([{ call_id: 'c1', reason: 'visitor' }])
  })
})

describe('opening', () => {
  it('opens and says so only when the relay answered', async () => {
    await connected()
    far.last.listener.event('open', command())
    await settle()
    far.last.listener.event('open', command({ command_id: 'cmd2' }))
    pulse = () => Promise.resolve({ result: 'failed', detail: 'stuck' })
    await settle()
    expect(far.of('open.result')).toMatchObject([{ command_id: 'cmd1', result: 'opened' }, { command_id: 'cmd2' }])
    pulse = () => Promise.reject(new Error('burnt'))
    far.last.listener.event('open', command({ command_id: 'cmd3' }))
    await settle()
    expect(far.of('open.result').at(-1)).toMatchObject({ command_id: 'cmd3', result: 'failed', detail: 'burnt' })
  })

  it('refuses a command past its time by the clock of the server', async () => {
    far.aheadMs = 20_000
    await connected()
    far.last.listener.event('open', command({ expires_at: iso(far.now() - 1) }))
    far.last.listener.event('open', command({ command_id: 'cmd2', expires_at: iso(far.now() + 4_000) }))
    await settle()
    expect(heard.pulses).toEqual(['cmd2'])
    expect(far.of('open.result').map((one) => one.result)).toEqual(['expired', 'opened'])
  })

  it('does not move the lock of a door that is not its own', async () => {
    await connected()
    far.last.listener.event('open', command({ door_id: 'door-of-others' }))
    await settle()
    expect(heard.pulses).toEqual([])
    expect(far.of('open.result')[0]).toMatchObject({ result: 'failed' })
  })

  it('does not move a door by another relay than its own', async () => {
    await connected()
    far.last.listener.event('open', command({ relay: 2 }))
    await settle()
    expect(heard.pulses).toEqual([])
    expect(far.of('open.result')[0]).toMatchObject({ result: 'failed' })
  })

  it('reports a command that a restart interrupted as failed, and does not move the lock again', async () => {
    await connected()
    pulse = () => new Promise(() => undefined)
    far.last.listener.event('open', command())
    await settle()
    client.stop()
    client = station()
    await connected()
    expect(far.of('open.result')).toMatchObject([
      { command_id: 'cmd1', result: 'failed', detail: expect.stringMatching(/^interrupted/) },
    ])
    far.last.listener.event('open', command())
    await settle()
    expect(heard.pulses).toEqual(['cmd1'])
  })

  it('opens once for a repeated command and answers it again, also after a restart', async () => {
    await connected()
    far.last.listener.event('open', command())
    far.last.listener.event('open', command())
    await settle()
    far.last.listener.event('open', command())
    await settle()
    client.stop()
    client = station()
    await connected()
    far.last.listener.event('open', command())
    await settle()
    expect(heard.pulses).toEqual(['cmd1'])
    expect(far.of('open.result')).toHaveLength(3)
    expect(new Set(far.of('open.result').map((one) => one.at)).size).toBe(1)
  })

  it('repeats the result until it is acknowledged, over a reconnect too', async () => {
    await connected()
    far.silent.add('open.result')
    far.last.listener.event('open', command())
    await settle(5_000)
    const tries = far.of('open.result').length
    expect(tries).toBeGreaterThan(1)
    far.last.listener.disconnected()
    far.silent.clear()
    await settle(1_000)
    far.welcome()
    await settle()
    expect(far.of('open.result')).toHaveLength(tries + 1)
    await settle(60_000)
    expect(far.of('open.result')).toHaveLength(tries + 1)
  })
})

describe('door events', () => {
  it('are numbered, kept while offline and over a restart, and delivered in order, each once acknowledged', async () => {
    await connected()
    client.doorEvent('door_opened', 'door-1')
    await settle()
    far.last.listener.disconnected()
    client.doorEvent('door_closed', 'door-1')
    client.doorEvent('exit_button', 'door-1')
    client.stop()
    client = station()
    await connected()
    expect(far.of('event').map((one) => [one.seq, one.kind])).toEqual([
      [1, 'door_opened'],
      [2, 'door_closed'],
      [3, 'exit_button'],
    ])
    expect(new Set(far.of('event').map((one) => one.event_id)).size).toBe(3)
  })

  it('are dropped when the server refuses them for good, and kept when it asks for patience', async () => {
    await connected()
    far.answers.event = () => ({ problem: { type: '/problems/not-found', title: '', status: 404 } })
    client.doorEvent('door_opened', 'door-1')
    await settle(10_000)
    expect(far.of('event')).toHaveLength(1)
    far.answers.event = () => ({ problem: { type: '/problems/too-many-requests', title: '', status: 429 } })
    client.doorEvent('door_closed', 'door-1')
    await settle(5_000)
    expect(far.of('event').length).toBeGreaterThan(2)
    expect(new Set(far.of('event').map((one) => one.event_id)).size).toBe(2)
  })
})
