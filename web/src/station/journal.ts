/** What the station still owes the server: door events and results of openings, kept over a reload until acknowledged. */

import type { DoorEvent, OpenResult } from './protocol'

/** The part of localStorage that the journal needs. */
export interface TextStore {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

interface Pages {
  seq: number
  events: DoorEvent[]
  results: OpenResult[]
  /** Commands carried out already, newest last: a repeated command gets the same result and moves nothing. */
  done: OpenResult[]
  /** Commands whose lock may have been moving when the page went. */
  begun: string[]
  /** Doors that were open in the last event of theirs. */
  open: string[]
}

const KEPT_EVENTS = 1000
const KEPT_DONE = 200

export class Journal {
  private pages: Pages

  constructor(
    private readonly store: TextStore,
    private readonly key: string,
  ) {
    this.pages = this.read()
  }

  get events(): readonly DoorEvent[] {
    return this.pages.events
  }

  get results(): readonly OpenResult[] {
    return this.pages.results
  }

  add(event: Omit<DoorEvent, 'seq'>): DoorEvent {
    this.pages.seq += 1
    const kept = { ...event, seq: this.pages.seq }
    this.pages.events = [...this.pages.events, kept].slice(-KEPT_EVENTS)
    if (event.kind !== 'exit_button') {
      const others = this.pages.open.filter((doorId) => doorId !== event.door_id)
      this.pages.open = event.kind === 'door_opened' ? [...others, event.door_id] : others
    }
    this.write()
    return kept
  }

  get openDoors(): readonly string[] {
    return this.pages.open
  }

  begin(commandId: string): void {
    this.pages.begun = [...this.pages.begun, commandId]
    this.write()
  }

  /** Commands that were begun and have no result. */
  interrupted(): string[] {
    return [...this.pages.begun]
  }

  owe(result: OpenResult): void {
    this.pages.begun = this.pages.begun.filter((commandId) => commandId !== result.command_id)
    this.pages.results = [...this.pages.results.filter((one) => one.command_id !== result.command_id), result]
    this.pages.done = [...this.pages.done.filter((one) => one.command_id !== result.command_id), result].slice(-KEPT_DONE)
    this.write()
  }

  resultOf(commandId: string): OpenResult | undefined {
    return this.pages.done.find((one) => one.command_id === commandId)
  }

  eventAcknowledged(eventId: string): void {
    this.pages.events = this.pages.events.filter((one) => one.event_id !== eventId)
    this.write()
  }

  resultAcknowledged(commandId: string): void {
    this.pages.results = this.pages.results.filter((one) => one.command_id !== commandId)
    this.write()
  }

  private read(): Pages {
    const empty: Pages = { seq: 0, events: [], results: [], done: [], begun: [], open: [] }
    try {
      return { ...empty, ...(JSON.parse(this.store.getItem(this.key) ?? '{}') as Partial<Pages>) }
    } catch {
      return empty
    }
  }

  private write(): void {
    try {
      this.store.setItem(this.key, JSON.stringify(this.pages))
    } catch {
      // A full or forbidden store: the journal goes on in memory, for this page's life.
    }
  }
}
