/**
 * The station's side of the protocol: one connection at a time, hello, heartbeats, repeated deliveries.
 *
 * It knows neither the browser's media nor the screen. The wire, the clock, the relay and the journal come from outside,
 * so that the tests run it against a server of their own.
 */

import { ProblemError, UnreachableError, type Problem } from '../shared/http'
import type { Journal } from './journal'
import {
  SOFTWARE,
  isActive,
  newId,
  signHello,
  type Contact,
  type DoorEvent,
  type HangupReason,
  type Hello,
  type Identity,
  type OpenCommand,
  type OpenOutcome,
  type OpenResult,
  type PictureMessage,
  type Sign,
  type SignalMessage,
  type StationCall,
  type StationConfig,
  type Welcome,
} from './protocol'

export interface WireListener {
  connected(): void
  refused(slug: string, problem: Problem | null): void
  disconnected(): void
  event(name: string, body: unknown): void
}

/** One connection. `send` rejects when the wire closes or the acknowledgement takes too long. */
export interface Wire {
  send(event: string, body: unknown): Promise<unknown>
  close(): void
}

export type OpenWire = (hello: Hello, listener: WireListener) => Wire

export type Link = 'connecting' | 'online' | 'offline' | 'refused'

export interface Pulse {
  result: 'opened' | 'failed'
  detail: string | null
}

export interface StationListener {
  link(link: Link, slug: string | null): void
  config(config: StationConfig): void
  /** Only calls newer than the last one seen; null when the server knows of none. */
  call(call: StationCall | null): void
  signal(message: SignalMessage): void
  /** The command was carried out or refused; a repeated command is not told again. */
  opened(command: OpenCommand, result: OpenResult): void
}

export interface StationParts {
  identity: Identity
  sign: Sign
  openWire: OpenWire
  journal: Journal
  listener: StationListener
  /** Releases the door; never called for a command past its time or done before. */
  pulse: (command: OpenCommand) => Promise<Pulse>
  contactOf: (doorId: string) => Contact
  /** A clock that never steps; deadlines hang on it. */
  now?: () => number
  /** The machine's own clock as it stands, right or wrong: the server shows how wrong. */
  wallClock?: () => number
}

const RETRY_MS = { first: 250, most: 10_000 }
const REFUSED_MS = 15_000
const PRESS_PATIENCE_MS = 8_000
const PRESS_REPEAT_MS = 400
const FINAL_STATUS = new Set([400, 403, 404, 410, 413, 422])
const REPEAT_MS = 2000
const FINAL_REFUSALS = new Set(['station-unknown', 'hello-malformed', 'origin-refused'])

export class StationClient {
  private wire: Wire | null = null
  private link: Link = 'connecting'
  private attempt = 0
  private generation = 0
  private stopped = false
  private offsetMs = 0
  private config: StationConfig | null = null
  private activeCall: StationCall | null = null
  private readonly versions = new Map<string, number>()
  private readonly running = new Set<string>()
  private heartbeatTimer: ReturnType<typeof setInterval> | undefined
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private repeatTimer: ReturnType<typeof setTimeout> | undefined
  private delivering = false
  private missedHeartbeats = 0
  private pressing = false
  private unknown: string | null = null
  private unsentHangup: { callId: string; reason: HangupReason } | null = null

  constructor(private readonly parts: StationParts) {}

  start(): void {
    this.stopped = false
    for (const commandId of this.parts.journal.interrupted()) {
      const detail = 'interrupted: the station restarted while it carried the command out'
      this.parts.journal.owe({ command_id: commandId, result: 'failed', detail, at: this.serverTime() })
    }
    void this.connect()
  }

  stop(): void {
    this.stopped = true
    this.generation += 1
    clearTimeout(this.retryTimer)
    this.dropWire()
  }

  /** Try again now: the browser says that the network is back. */
  wake(): void {
    if (this.link !== 'offline' || this.stopped) return
    clearTimeout(this.retryTimer)
    void this.connect()
  }

  serverNow(): number {
    return this.localNow() + this.offsetMs
  }

  /** Server's clock less this machine's, in milliseconds. */
  get clockOffsetMs(): number {
    return this.offsetMs
  }

  get call(): StationCall | null {
    return this.activeCall
  }

  /**
   * Call a home. While the answer is lost the same request is repeated, on this connection or the next, so it can never
   * ring twice; after some seconds the visitor is told the truth instead.
   */
  async press(dial: string): Promise<StationCall> {
    const body = { request_id: newId(), dial }
    const deadline = this.localNow() + PRESS_PATIENCE_MS
    this.pressing = true
    try {
      for (;;) {
        try {
          const { call } = (await this.request('press', body)) as { call: StationCall }
          this.heardCall(call)
          return call
        } catch (error) {
          if (!(error instanceof UnreachableError) || this.localNow() > deadline) throw error
          await new Promise((resolve) => setTimeout(resolve, PRESS_REPEAT_MS))
        }
      }
    } finally {
      this.pressing = false
      this.endUnknown()
    }
  }

  /** Hang up; when the connection is away, the wish is kept and told after the next welcome. */
  async hangup(callId: string, reason: HangupReason): Promise<void> {
    this.unsentHangup = { callId, reason }
    try {
      const answer = (await this.request('hangup', { call_id: callId, reason })) as { call?: StationCall }
      this.unsentHangup = null
      if (answer.call) this.heardCall(answer.call)
    } catch (error) {
      if (isFinal(error)) this.unsentHangup = null
      else ignoreExpected(error)
    }
  }

  async signal(message: SignalMessage): Promise<void> {
    await this.request('signal', message).catch(ignoreExpected)
  }

  /** Deliver a picture, trying three times; the record says "missing" when none arrives. */
  async picture(message: PictureMessage): Promise<boolean> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        await this.request('picture', message)
        return true
      } catch (error) {
        if (isFinal(error)) return false
        ignoreExpected(error)
        await new Promise((resolve) => setTimeout(resolve, REPEAT_MS))
      }
    }
    return false
  }

  /** Keep a door event and deliver it, now or after the network is back. */
  doorEvent(kind: DoorEvent['kind'], doorId: string, detail: string | null = null): void {
    this.parts.journal.add({ event_id: newId(), kind, door_id: doorId, at: this.serverTime(), detail })
    void this.deliver()
  }

  private async connect(): Promise<void> {
    this.dropWire()
    const generation = ++this.generation
    if (this.link !== 'offline' && this.link !== 'refused') this.setLink('connecting', null)
    let hello: Hello
    try {
      hello = await signHello(this.parts.identity, this.parts.sign, this.serverNow())
    } catch {
      this.setLink('refused', 'key-unusable')
      return
    }
    if (generation !== this.generation || this.stopped) return
    const current = (): boolean => generation === this.generation
    this.wire = this.parts.openWire(hello, {
      connected: () => undefined, // Online begins with `welcome`: before it the station knows neither its doors nor its call.
      refused: (slug, problem) => {
        if (current()) this.refused(slug, problem)
      },
      disconnected: () => {
        if (current()) this.lost()
      },
      event: (name, body) => {
        if (current()) this.heard(name, body)
      },
    })
  }

  private refused(slug: string, problem: Problem | null): void {
    if (FINAL_REFUSALS.has(slug)) {
      this.dropWire()
      if (this.link !== 'refused') this.setLink('refused', slug)
      // It may be paired again under this key, or come back from a backup: keep asking, slowly.
      this.retryTimer = setTimeout(() => void this.connect(), REFUSED_MS)
      return
    }
    const serverTime = problem?.server_time
    if (slug === 'hello-expired' && typeof serverTime === 'string') {
      this.offsetMs = Date.parse(serverTime) - this.localNow()
    }
    this.lost()
  }

  private lost(): void {
    this.dropWire()
    if (this.stopped) return
    if (this.link !== 'refused') this.setLink('offline', null)
    const wait = Math.min(RETRY_MS.first * 2 ** this.attempt, RETRY_MS.most)
    this.attempt += 1
    // Jitter, so that the stations of a community do not all come back in the same instant.
    this.retryTimer = setTimeout(() => void this.connect(), wait * (0.8 + Math.random() * 0.4))
  }

  private dropWire(): void {
    clearInterval(this.heartbeatTimer)
    clearTimeout(this.repeatTimer)
    clearTimeout(this.retryTimer)
    const wire = this.wire
    this.wire = null
    wire?.close()
  }

  private heard(name: string, body: unknown): void {
    if (name === 'welcome') this.welcomed(body as Welcome)
    else if (name === 'config') this.apply(body as StationConfig)
    else if (name === 'call') this.heardCall(body as StationCall)
    else if (name === 'signal') this.parts.listener.signal(body as SignalMessage)
    else if (name === 'open') void this.open(body as OpenCommand)
  }

  private welcomed(welcome: Welcome): void {
    this.attempt = 0
    this.missedHeartbeats = 0
    this.offsetMs = Date.parse(welcome.server_time) - this.localNow()
    this.apply(welcome.config)
    this.setLink('online', null)
    this.resume(welcome.call)
    this.heartbeatTimer = setInterval(() => void this.heartbeat(), welcome.heartbeat_s * 1000)
    void this.heartbeat()
    void this.deliver()
  }

  /** The server's word on the running call: end what differs, hang up what this station no longer knows. */
  private resume(call: StationCall | null): void {
    const wish = this.unsentHangup
    this.unknown = null
    if (!isActive(call)) {
      this.unsentHangup = null
      if (this.activeCall !== null) {
        this.activeCall = null
        this.parts.listener.call(call)
      }
      return
    }
    if (wish?.callId === call.id) {
      void this.hangup(call.id, wish.reason)
    } else if (this.activeCall?.id === call.id) {
      this.heardCall(call)
    } else {
      if (this.activeCall !== null) this.parts.listener.call(null)
      this.activeCall = null
      this.unknown = call.id
      this.endUnknown()
    }
  }

  /** A call nobody here stands for is ended; while a press waits for its answer, it may be that press's own. */
  private endUnknown(): void {
    if (this.unknown === null || this.pressing) return
    if (this.activeCall?.id !== this.unknown) void this.hangup(this.unknown, 'station_restarted')
    this.unknown = null
  }

  private heardCall(call: StationCall): void {
    if (call.version <= (this.versions.get(call.id) ?? -1)) return
    this.versions.set(call.id, call.version)
    if (this.versions.size > 50) this.versions.delete(this.versions.keys().next().value as string)
    if (isActive(call)) this.activeCall = call
    else if (this.activeCall?.id === call.id) this.activeCall = null
    this.parts.listener.call(call)
  }

  private apply(config: StationConfig): void {
    this.config = config
    this.parts.listener.config(config)
    void this.request('config.applied', { version: config.version }).catch(ignoreExpected)
  }

  private async heartbeat(): Promise<void> {
    const sentAtMs = this.localNow()
    const sentByOwnClockMs = (this.parts.wallClock ?? Date.now)()
    const doors = (this.config?.doors ?? []).map((door) => ({ door_id: door.id, contact: this.parts.contactOf(door.id) }))
    const generation = this.generation
    try {
      const answer = (await this.request('heartbeat', {
        sent_at_ms: Math.round(sentByOwnClockMs),
        software: SOFTWARE,
        config_version: this.config?.version ?? 0,
        doors,
      })) as { server_time: string }
      const receivedAtMs = this.localNow()
      this.missedHeartbeats = 0
      this.offsetMs = Date.parse(answer.server_time) - (sentAtMs + receivedAtMs) / 2
    } catch (error) {
      if (error instanceof ProblemError || generation !== this.generation) return
      this.missedHeartbeats += 1
      // A wire that no longer carries answers is worse than none: begin a new one before the server gives us up.
      if (this.missedHeartbeats >= 2) this.lost()
    }
  }

  private async open(command: OpenCommand): Promise<void> {
    if (this.running.has(command.command_id)) return
    const done = this.parts.journal.resultOf(command.command_id)
    if (done) {
      this.parts.journal.owe(done)
      void this.deliver()
      return
    }
    this.running.add(command.command_id)
    let outcome: { result: OpenOutcome; detail: string | null }
    if (this.serverNow() > Date.parse(command.expires_at)) {
      outcome = { result: 'expired', detail: 'the command reached the station after its time' }
    } else if (!this.config?.doors.some((door) => door.id === command.door_id && door.relay === command.relay)) {
      outcome = { result: 'failed', detail: 'this station does not move that door by that relay' }
    } else {
      // On the disk before the lock moves: after a crash in between, nobody may believe that nothing happened.
      this.parts.journal.begin(command.command_id)
      outcome = await this.parts.pulse(command).catch((error: unknown) => ({
        result: 'failed' as const,
        detail: error instanceof Error ? error.message : 'the relay did not answer',
      }))
    }
    const result: OpenResult = { command_id: command.command_id, ...outcome, at: this.serverTime() }
    this.parts.journal.owe(result)
    this.running.delete(command.command_id)
    this.parts.listener.opened(command, result)
    void this.deliver()
  }

  /** Send what is owed, results first: a person is waiting for them. Runs once at a time and repeats until all is acknowledged. */
  private async deliver(): Promise<void> {
    if (this.delivering || this.link !== 'online') return
    this.delivering = true
    clearTimeout(this.repeatTimer)
    const { journal } = this.parts
    try {
      let owed = true
      while (owed) {
        const result = journal.results[0]
        const event = journal.events[0]
        owed = result !== undefined || event !== undefined
        if (result) {
          await this.request('open.result', result).catch(onlyFinal)
          journal.resultAcknowledged(result.command_id)
        } else if (event) {
          await this.request('event', event).catch(onlyFinal)
          journal.eventAcknowledged(event.event_id)
        }
      }
    } catch {
      this.repeatTimer = setTimeout(() => void this.deliver(), REPEAT_MS)
    } finally {
      this.delivering = false
    }
  }

  private async request(event: string, body: unknown): Promise<unknown> {
    if (this.wire === null) throw new UnreachableError()
    let answer: unknown
    try {
      answer = await this.wire.send(event, body)
    } catch (problem) {
      throw new UnreachableError(problem)
    }
    const problem = (answer as { problem?: Problem } | null)?.problem
    if (problem) throw new ProblemError(problem)
    return answer
  }

  private setLink(link: Link, slug: string | null): void {
    this.link = link
    this.parts.listener.link(link, slug)
  }

  private serverTime(): string {
    return new Date(this.serverNow()).toISOString()
  }

  private localNow(): number {
    return (this.parts.now ?? steadyNow)()
  }
}

/** The server will never take this message: repeating it is of no use (protocol, transport). */
function isFinal(error: unknown): boolean {
  return error instanceof ProblemError && FINAL_STATUS.has(error.problem.status)
}

function onlyFinal(error: unknown): void {
  if (!isFinal(error)) throw error
}

function ignoreExpected(error: unknown): void {
  if (!(error instanceof UnreachableError) && !(error instanceof ProblemError)) throw error
}

const steadyNow = (): number => performance.timeOrigin + performance.now()
