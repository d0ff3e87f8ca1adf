/** How this kiosk moves its lock: through the agent on its machine, by drawing a door (demo), or not at all. */
import type { Pulse } from './client'
import type { Contact, OpenCommand, StationConfig } from './protocol'

export const AGENT_TIMEOUT_MS = 2_000

export interface DoorPort {
  pulse(command: OpenCommand): Promise<Pulse>
  contactOf(doorId: string): Contact
}

/** The agent acknowledges for its relay; what it did not answer was not opened. */
export function agentRelay(url: string, request: typeof fetch = (...args) => fetch(...args)): DoorPort {
  return {
    async pulse(command) {
      let response: Response
      try {
        response = await request(`${url.replace(/\/$/, '')}/relay/${command.relay}/pulse`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ command_id: command.command_id, hold_s: command.hold_s }),
          signal: AbortSignal.timeout(AGENT_TIMEOUT_MS),
        })
      } catch {
        return { result: 'failed', detail: 'the agent of this station did not answer' }
      }
      const answer = (await response.json().catch(() => null)) as { result?: unknown; detail?: unknown } | null
      if (response.ok && answer?.result === 'opened') return { result: 'opened', detail: null }
      const detail = typeof answer?.detail === 'string' ? answer.detail : `the agent answered ${response.status}`
      return { result: 'failed', detail }
    },
    contactOf: () => 'unknown',
  }
}

export const noRelay: DoorPort = {
  pulse: () => Promise.resolve({ result: 'failed', detail: 'this station has no relay' }),
  contactOf: () => 'unknown',
}

/** A door on the screen that opens and closes for all to see: the demo's stand-in for a lock, with a contact of its own. */
export class DrawnDoors implements DoorPort {
  private readonly contacts = new Map<string, Contact>()
  private readonly openUntilMs = new Map<string, number>()
  private readonly closing = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(private readonly moved: (doorId: string, contact: 'open' | 'closed') => void) {}

  pulse(command: OpenCommand): Promise<Pulse> {
    this.release(command.door_id, command.hold_s)
    return Promise.resolve({ result: 'opened', detail: 'drawn demo door' })
  }

  /** The door swings open and falls shut when the lock's time is over; a second release never shortens the first. */
  release(doorId: string, holdS: number): void {
    const untilMs = Math.max(this.openUntilMs.get(doorId) ?? 0, performance.now() + holdS * 1000)
    this.openUntilMs.set(doorId, untilMs)
    clearTimeout(this.closing.get(doorId))
    this.closing.set(
      doorId,
      setTimeout(() => this.move(doorId, 'closed'), untilMs - performance.now()),
    )
    this.move(doorId, 'open')
  }

  contactOf(doorId: string): Contact {
    return this.contacts.get(doorId) ?? 'closed'
  }

  stop(): void {
    for (const timer of this.closing.values()) clearTimeout(timer)
  }

  private move(doorId: string, contact: 'open' | 'closed'): void {
    if (this.contactOf(doorId) === contact) return
    this.contacts.set(doorId, contact)
    this.moved(doorId, contact)
  }
}

export function relayFor(config: StationConfig, drawn: DrawnDoors): DoorPort {
  if (config.relay.kind === 'drawn') return drawn
  if (config.relay.kind === 'agent' && config.relay.url) return agentRelay(config.relay.url)
  return noRelay
}
