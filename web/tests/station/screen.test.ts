import { describe, expect, it } from 'vitest'

import type { StationCall, StationConfig } from '../../src/station/protocol'
import {
  OUTCOME_MS,
  canCall,
  initialScreen,
  keypadBlocked,
  reduce,
  type Screen,
  type ScreenEvent,
} from '../../src/station/screen'

const config = (kind: 'room' | 'building_room' = 'room'): StationConfig => ({
  version: 1,
  station: { id: 's', name: '3栋2单元', kind: kind === 'room' ? 'unit' : 'gate', community: '幸福里小区', language: 'zh' },
  doors: [{ id: 'd', name: '3栋2单元门', relay: 1, hold_s: 3, primary: true }],
  dial: { kind, hint: { zh: '', en: '' } },
  ring_s: 30,
  talk_s: 120,
  relay: { kind: 'drawn', url: null },
  ice_servers: [],
})

const call = (change: Partial<StationCall> = {}): StationCall => ({
  id: 'c1',
  version: 1,
  state: 'ringing',
  dial: '1201',
  placed_at: '2026-11-22T08:00:00.000Z',
  expires_at: '2026-11-22T08:00:30.000Z',
  talk_until: null,
  answered_at: null,
  answered_leg_id: null,
  ended_at: null,
  end_reason: null,
  legs: [{ id: 'l1', state: 'ringing' }],
  ...change,
})
const START = Date.parse('2026-11-22T08:00:00.000Z')

const play = (events: ScreenEvent[], from: Screen = initialScreen): Screen => events.reduce(reduce, from)
const online = (kind?: 'room' | 'building_room'): Screen =>
  play([
    { type: 'config', config: config(kind) },
    { type: 'link', link: 'online' },
  ])
const type = (text: string): ScreenEvent[] => [...text].map((key) => ({ type: 'key', key }))

describe('the keypad', () => {
  it('takes digits, at most sixteen, and nothing else at a unit station', () => {
    expect(play(type('12a-01'), online()).dial).toBe('1201')
    expect(play(type('1'.repeat(40)), online()).dial).toHaveLength(16)
  })

  it('takes one dash between numbers at a gate station', () => {
    expect(play(type('-3--2-1201'), online('building_room')).dial).toBe('3-2-1201')
  })

  it('does not call with nothing, or with a number that ends in a dash', () => {
    expect(canCall(online())).toBe(false)
    expect(canCall(play(type('3-'), online('building_room')))).toBe(false)
    expect(canCall(play(type('1201'), online()))).toBe(true)
  })

  it('rests while there is no connection, and says which kind of waiting it is', () => {
    expect(keypadBlocked(initialScreen)).toBe('connecting')
    const lost = reduce(online(), { type: 'link', link: 'offline' })
    expect(keypadBlocked(lost)).toBe('offline')
    expect(play(type('12'), lost).dial).toBe('')
    expect(canCall({ ...lost, dial: '12' })).toBe(false)
  })

  it('clears, and goes back one digit', () => {
    expect(play([...type('120'), { type: 'backspace' }], online()).dial).toBe('12')
    expect(play([...type('120'), { type: 'clear' }], online()).dial).toBe('')
  })
})

describe('a call on the screen', () => {
  const dialled = play([...type('1201'), { type: 'placing' }], online())

  it('goes from the press through ringing and talking to the end and back to the keypad', () => {
    const ringing = reduce(dialled, { type: 'call', call: call(), nowMs: START })
    expect(ringing.stage).toBe('ringing')
    const talking = reduce(ringing, { type: 'call', call: call({ version: 2, state: 'answered' }), nowMs: START })
    expect(talking.stage).toBe('talking')
    const over = reduce(talking, {
      type: 'call',
      call: call({ version: 3, state: 'ended', end_reason: 'resident_hung_up' }),
      nowMs: START,
    })
    expect(over.stage).toBe('outcome')
    expect(over.outcome).toMatchObject({ reason: 'resident_hung_up', refused: false, dial: '1201' })
    expect(reduce(over, { type: 'tick', nowMs: START + OUTCOME_MS }).stage).toBe('outcome')
    expect(reduce(over, { type: 'tick', nowMs: START + OUTCOME_MS + 1 })).toMatchObject({
      stage: 'dial',
      dial: '',
      outcome: null,
    })
  })

  it.each([
    ['ringing', 'visitor_hung_up'],
    ['answered', 'visitor_ended_talk'],
  ] as const)('calls a hang-up at the door while %s "%s"', (state, reason) => {
    const running = reduce(dialled, { type: 'call', call: call({ state }), nowMs: START })
    const over = reduce(running, {
      type: 'call',
      call: call({ version: 3, state: 'ended', end_reason: 'visitor_hung_up' }),
      nowMs: START,
    })
    expect(over.outcome?.reason).toBe(reason)
  })

  it('shows a refused press as an outcome', () => {
    const refused = reduce(dialled, { type: 'refused', slug: 'room-unknown', nowMs: START })
    expect(refused.outcome).toMatchObject({ reason: 'room-unknown', refused: true, dial: '1201' })
  })

  it('ignores keys while it runs, and starts anew from the outcome', () => {
    const ringing = reduce(dialled, { type: 'call', call: call(), nowMs: START })
    expect(play(type('9'), ringing)).toEqual(ringing)
    const refused = reduce(dialled, { type: 'refused', slug: 'room-unknown', nowMs: START })
    expect(play(type('9'), refused)).toMatchObject({ stage: 'dial', dial: '9', outcome: null })
  })

  it('goes on placing while the connection is away: the press is repeated on the next', () => {
    expect(reduce(dialled, { type: 'link', link: 'offline' })).toMatchObject({ stage: 'placing', dial: '1201' })
  })

  it('ends when the server knows of no call any more', () => {
    const ringing = reduce(dialled, { type: 'call', call: call(), nowMs: START })
    expect(reduce(ringing, { type: 'call', call: null, nowMs: START }).outcome?.reason).toBe('station_lost')
    expect(reduce(online(), { type: 'call', call: null, nowMs: START }).stage).toBe('dial')
  })

  it('is not ended by the news of another call', () => {
    const ringing = reduce(dialled, { type: 'call', call: call(), nowMs: START })
    const other = call({ id: 'c0', state: 'ended', end_reason: 'no_answer' })
    expect(reduce(ringing, { type: 'call', call: other, nowMs: START })).toEqual(ringing)
  })

  it('never rings past its expiry, nor talks past its limit, even when the server is silent', () => {
    const ringing = reduce(dialled, { type: 'call', call: call(), nowMs: START })
    expect(reduce(ringing, { type: 'tick', nowMs: START + 32_900 }).stage).toBe('ringing')
    expect(reduce(ringing, { type: 'tick', nowMs: START + 33_001 }).outcome?.reason).toBe('no_answer')
    const talking = reduce(ringing, {
      type: 'call',
      call: call({ version: 2, state: 'answered', talk_until: '2026-11-22T08:02:00.000Z' }),
      nowMs: START,
    })
    expect(reduce(talking, { type: 'tick', nowMs: START + 60_000 }).stage).toBe('talking')
    expect(reduce(talking, { type: 'tick', nowMs: START + 123_001 }).outcome?.reason).toBe('talk_limit')
  })

  it('tells of an opened door during the talk without ending the talk', () => {
    const talking = reduce(dialled, { type: 'call', call: call({ state: 'answered' }), nowMs: START })
    const opened = reduce(talking, { type: 'opened', doorId: 'd', result: 'opened', nowMs: START })
    expect(opened).toMatchObject({ stage: 'talking', door: { doorId: 'd', result: 'opened' } })
    expect(reduce(opened, { type: 'tick', nowMs: START + OUTCOME_MS + 1 }).door).toBeNull()
  })
})
