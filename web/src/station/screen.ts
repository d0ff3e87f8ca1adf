/** What the kiosk shows, as a pure function of what happened: (screen, event) -> screen. */

import { isActive, type Contact, type OpenResult, type StationCall, type StationConfig } from './protocol'
import type { Link } from './client'

export const MAX_DIAL = 16
/** How long the outcome of a call stays readable before the keypad comes back. */
export const OUTCOME_MS = 9_000
const GRACE_MS = 3_000

export type Stage = 'dial' | 'placing' | 'ringing' | 'talking' | 'outcome'

export interface Outcome {
  /** An end reason (or `visitor_ended_talk`), or the slug of the problem that refused the press. */
  reason: string
  refused: boolean
  dial: string
  sinceMs: number
}

export interface DoorNotice {
  doorId: string
  result: OpenResult['result']
  sinceMs: number
}

export interface Screen {
  link: Link
  config: StationConfig | null
  stage: Stage
  dial: string
  call: StationCall | null
  outcome: Outcome | null
  door: DoorNotice | null
  contacts: Readonly<Record<string, Contact>>
}

export type ScreenEvent =
  | { type: 'link'; link: Link }
  | { type: 'config'; config: StationConfig }
  | { type: 'key'; key: string }
  | { type: 'backspace' }
  | { type: 'clear' }
  | { type: 'placing' }
  | { type: 'refused'; slug: string; nowMs: number }
  | { type: 'call'; call: StationCall | null; nowMs: number }
  | { type: 'opened'; doorId: string; result: OpenResult['result']; nowMs: number }
  | { type: 'contact'; doorId: string; contact: Contact }
  | { type: 'dismiss' }
  | { type: 'tick'; nowMs: number }

export const initialScreen: Screen = {
  link: 'connecting',
  config: null,
  stage: 'dial',
  dial: '',
  call: null,
  outcome: null,
  door: null,
  contacts: {},
}

export function takesDash(config: StationConfig | null): boolean {
  return config?.dial.kind === 'building_room'
}

/** Why the keypad cannot be used now, or null when it can. */
export function keypadBlocked(screen: Screen): 'offline' | 'connecting' | null {
  if (screen.link === 'online') return null
  return screen.link === 'connecting' && screen.config === null ? 'connecting' : 'offline'
}

export function canCall(screen: Screen): boolean {
  return keypadBlocked(screen) === null && screen.stage === 'dial' && /\d/.test(screen.dial) && !screen.dial.endsWith('-')
}

export function reduce(screen: Screen, event: ScreenEvent): Screen {
  switch (event.type) {
    case 'link':
      return { ...screen, link: event.link }
    case 'config':
      return { ...screen, config: event.config }
    case 'key':
      return typed(screen, event.key)
    case 'backspace':
      return screen.stage === 'dial' ? { ...screen, dial: screen.dial.slice(0, -1) } : screen
    case 'clear':
      return screen.stage === 'dial' ? { ...screen, dial: '' } : screen
    case 'placing':
      return canCall(screen) ? { ...screen, stage: 'placing', outcome: null } : screen
    case 'refused':
      return screen.stage === 'placing' ? ended(screen, event.slug, true, event.nowMs) : screen
    case 'call':
      return heardCall(screen, event.call, event.nowMs)
    case 'opened':
      return { ...screen, door: { doorId: event.doorId, result: event.result, sinceMs: event.nowMs } }
    case 'contact':
      return { ...screen, contacts: { ...screen.contacts, [event.doorId]: event.contact } }
    case 'dismiss':
      return screen.stage === 'outcome' ? { ...screen, stage: 'dial', outcome: null, door: null, dial: '' } : screen
    case 'tick':
      return ticked(screen, event.nowMs)
  }
}

function typed(screen: Screen, key: string): Screen {
  if (screen.stage === 'outcome') return typed({ ...screen, stage: 'dial', outcome: null, door: null, dial: '' }, key)
  if (screen.stage !== 'dial' || keypadBlocked(screen) !== null) return screen
  const isDash = key === '-' && takesDash(screen.config) && /\d$/.test(screen.dial)
  if (!/^\d$/.test(key) && !isDash) return screen
  return screen.dial.length >= MAX_DIAL ? screen : { ...screen, dial: screen.dial + key }
}

function heardCall(screen: Screen, call: StationCall | null, nowMs: number): Screen {
  if (isActive(call)) {
    const stage = call.state === 'answered' ? 'talking' : 'ringing'
    const door = screen.call?.id === call.id ? screen.door : null
    return { ...screen, call, stage, outcome: null, door, dial: call.dial }
  }
  const mine = call === null ? screen.call !== null : screen.call?.id === call.id || screen.stage === 'placing'
  return mine ? ended(screen, call?.end_reason ?? 'station_lost', false, nowMs, call) : screen
}

function ended(screen: Screen, reason: string, refused: boolean, nowMs: number, call: StationCall | null = null): Screen {
  const dial = call?.dial ?? screen.call?.dial ?? screen.dial
  // Hanging up after a talk is no cancelled call.
  const told = reason === 'visitor_hung_up' && screen.stage === 'talking' ? 'visitor_ended_talk' : reason
  return { ...screen, stage: 'outcome', call: null, outcome: { reason: told, refused, dial, sinceMs: nowMs } }
}

/** Time passing: outcomes fade, and no ring or talk outlives its own limit even when the server is silent. */
function ticked(screen: Screen, nowMs: number): Screen {
  let next = screen
  const { call } = next
  if (call?.state === 'ringing' && nowMs > Date.parse(call.expires_at) + GRACE_MS) {
    next = ended(next, 'no_answer', false, nowMs)
  } else if (call?.state === 'answered' && call.talk_until !== null && nowMs > Date.parse(call.talk_until) + GRACE_MS) {
    next = ended(next, 'talk_limit', false, nowMs)
  }
  if (next.stage === 'outcome' && next.outcome && nowMs - next.outcome.sinceMs > OUTCOME_MS) {
    next = { ...next, stage: 'dial', outcome: null, dial: '' }
  }
  if (next.door && next.stage !== 'outcome' && nowMs - next.door.sinceMs > OUTCOME_MS) next = { ...next, door: null }
  return next
}
