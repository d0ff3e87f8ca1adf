import { describe, expect, it } from 'vitest'
import type { Call, EndReason, LegState } from '../../src/shared/api-types'
import { alsoRinging, emptyCalls, focusOf, legOf, reduceCalls, sounds, type CallEvent, type CallsState } from '../../src/resident/call-state'

const T0 = Date.parse('2026-11-22T08:00:00.000Z')
const at = (ms: number) => new Date(T0 + ms).toISOString()
const ME = 'device-me'
const MUM = { device_id: 'device-mum', name: '妈妈' }

function call(version: number, change: Partial<Call> = {}): Call {
  return {
    id: 'call-1', version, state: 'ringing', station: { id: 's', name: '3栋2单元门口' }, doors: [{ id: 'd', name: '3栋2单元' }],
    household: { id: 'h', name: '3栋2单元 1201' }, placed_at: at(0), expires_at: at(30_000), talk_until: null, answered_at: null,
    answered_by: null, ended_at: null, end_reason: null, ended_by: null, missed: false, pictures: [], server_time: at(0), ...change,
  }
}
const ringing = (version = 1, change: Partial<Call> = {}) => call(version, { my_leg: 'ringing', ...change })
const answeredBy = (version: number, by: { device_id: string; name: string }) =>
  call(version, { state: 'answered', answered_by: by, answered_at: at(2_000), talk_until: at(122_000) })
const ended = (version: number, reason: EndReason, change: Partial<Call> = {}) => call(version, { state: 'ended', end_reason: reason, ended_at: at(5_000), ...change })

function after(...events: CallEvent[]): CallsState {
  return events.reduce(reduceCalls, emptyCalls(ME))
}
const hears = (one: Call, ms = 1_000): CallEvent => ({ type: 'call', call: one, nowMs: T0 + ms })
const snapshot = (calls: Call[], ms = 1_000): CallEvent => ({ type: 'snapshot', calls, nowMs: T0 + ms })

describe('a ring', () => {
  it('takes the screen and sounds', () => {
    const focus = focusOf(after(hears(ringing())), T0 + 1_000)
    expect(focus?.phase).toBe('incoming')
    expect(sounds(focus)).toBe(true)
  })

  it('is silent as soon as the person has chosen, before the service has agreed', () => {
    for (const wish of ['answer', 'decline'] as const) {
      const state = after(hears(ringing()), { type: 'wish', callId: 'call-1', wish })
      expect(focusOf(state, T0 + 1_000)?.phase).toBe('incoming')
      expect(sounds(focusOf(state, T0 + 1_000))).toBe(false)
    }
  })

  it('never goes past its expiry, even if no tick and no message comes', () => {
    const state = after(hears(ringing()))
    expect(focusOf(state, T0 + 29_999)).not.toBeNull()
    expect(focusOf(state, T0 + 30_000)).toBeNull()
  })

  it('ends at a tick past its expiry, says so once, and stays ended when an old ring is told again', () => {
    let state = after(hears(ringing()), { type: 'tick', nowMs: T0 + 30_000 })
    expect(state.notices).toEqual([{ kind: 'ring_over', callId: 'call-1' }])
    state = reduceCalls(reduceCalls(state, { type: 'noticed' }), { type: 'tick', nowMs: T0 + 30_200 })
    expect(state.notices).toEqual([])
    state = reduceCalls(state, hears(ringing(2), 30_300))
    expect(focusOf(state, T0 + 1_000)).toBeNull()
    state = reduceCalls(state, hears(ended(3, 'no_answer'), 30_400))
    expect(state.notices).toEqual([])
  })

  it('that is told only after its expiry makes no sound at all', () => {
    const state = after(hears(ringing(), 31_000))
    expect(focusOf(state, T0 + 31_000)).toBeNull()
    expect(state.notices).toEqual([])
  })

  it('of a phone without a leg yet (approved after the press) rings too', () => {
    expect(focusOf(after(snapshot([ringing(1, { my_leg: null })])), T0 + 1_000)?.phase).toBe('incoming')
  })
})

describe('versions', () => {
  it('ignores what is older than or as old as the last seen', () => {
    const state = after(hears(ringing(1)), hears(answeredBy(3, MUM)))
    for (const stale of [ringing(1), ringing(2), ringing(3)]) {
      const again = reduceCalls(state, hears(stale))
      expect(again).toBe(state)
      expect(focusOf(again, T0 + 1_000)).toBeNull()
    }
  })

  it('does not let a late ring overtake an end', () => {
    const state = after(hears(ended(5, 'visitor_hung_up')), hears(ringing(4)))
    expect(focusOf(state, T0 + 1_000)).toBeNull()
  })
})

describe('another phone answers', () => {
  it('stops this one at once and says who', () => {
    const state = after(hears(ringing()), hears(answeredBy(2, MUM)))
    expect(focusOf(state, T0 + 1_000)).toBeNull()
    expect(state.notices).toEqual([{ kind: 'answered_elsewhere', callId: 'call-1', name: '妈妈' }])
  })

  it('and the refusal of our own answer comes first: told once', () => {
    let state = after(hears(ringing()), { type: 'wish', callId: 'call-1', wish: 'answer' }, { type: 'lost', callId: 'call-1', name: '妈妈' })
    expect(focusOf(state, T0 + 1_000)).toBeNull()
    state = reduceCalls(state, hears(answeredBy(2, MUM)))
    expect(state.notices).toEqual([{ kind: 'answered_elsewhere', callId: 'call-1', name: '妈妈' }])
  })

  it('is not told to a phone that had declined', () => {
    const state = after(hears(ringing()), hears(ringing(2, { my_leg: 'declined' })), { type: 'noticed' }, hears(answeredBy(3, MUM)), hears(ended(4, 'resident_hung_up')))
    expect(state.notices).toEqual([])
  })
})

describe('this phone answers', () => {
  const mine = answeredBy(2, { device_id: ME, name: '李阿姨' })

  it('and talks until the call ends', () => {
    let state = after(hears(ringing()), { type: 'wish', callId: 'call-1', wish: 'answer' }, hears(mine))
    expect(focusOf(state, T0 + 40_000)?.phase).toBe('talking')
    expect(state.known['call-1']?.wish).toBeNull()
    state = reduceCalls(state, hears(ended(3, 'talk_limit')))
    expect(focusOf(state, T0 + 40_000)).toBeNull()
    expect(state.notices).toEqual([{ kind: 'ended', callId: 'call-1', reason: 'talk_limit', byMe: false, wasTalking: true }])
  })

  it('in the last moment, and its clock had already said "over": the answer is the truth', () => {
    const state = after(hears(ringing()), { type: 'tick', nowMs: T0 + 30_000 }, hears(mine, 30_100))
    expect(focusOf(state, T0 + 30_100)?.phase).toBe('talking')
  })

  it('keeps the wish to hang up until the end is told, and counts it as its own', () => {
    const state = after(hears(ringing()), hears(mine), { type: 'wish', callId: 'call-1', wish: 'hang_up' }, hears(ended(3, 'resident_hung_up')))
    expect(state.notices).toMatchObject([{ kind: 'ended', byMe: true, wasTalking: true }])
  })

  it('finds its talk again after a reload', () => {
    const state = after(snapshot([{ ...mine, my_leg: 'answered' }]))
    expect(focusOf(state, T0 + 60_000)?.phase).toBe('talking')
    expect(state.notices).toEqual([])
  })
})

describe('a decline', () => {
  it('stops this phone while the others ring on, and says that', () => {
    const state = after(hears(ringing()), { type: 'wish', callId: 'call-1', wish: 'decline' }, hears(ringing(2, { my_leg: 'declined' })))
    expect(focusOf(state, T0 + 1_000)).toBeNull()
    expect(state.notices).toEqual([{ kind: 'declined_here', callId: 'call-1' }])
  })

  it('by another phone, told with all legs, leaves this one ringing', () => {
    const state = after(hears(ringing()), hears(call(2, { legs: [{ device_id: MUM.device_id, state: 'declined' }, { device_id: ME, state: 'ringing' }] })))
    expect(focusOf(state, T0 + 1_000)?.phase).toBe('incoming')
  })
})

describe('an end while it rings', () => {
  it.each(['visitor_hung_up', 'declined', 'no_answer', 'opened', 'door_opened', 'station_lost', 'withdrawn'] as const)('%s stops the phone and is told', (reason) => {
    const state = after(hears(ringing()), hears(ended(2, reason)))
    expect(focusOf(state, T0 + 1_000)).toBeNull()
    expect(state.notices).toEqual([{ kind: 'ended', callId: 'call-1', reason, byMe: false, wasTalking: false }])
  })
})

describe('after a reconnect', () => {
  it('a call the service no longer knows falls silent at once and its end is asked for', () => {
    let state = after(hears(ringing()), snapshot([], 5_000))
    expect(focusOf(state, T0 + 5_000)).toBeNull()
    expect(state.unexplained).toEqual(['call-1'])
    state = reduceCalls(state, hears(answeredBy(2, MUM), 5_100))
    expect(state.unexplained).toEqual([])
    expect(state.notices).toEqual([{ kind: 'answered_elsewhere', callId: 'call-1', name: '妈妈' }])
    expect(reduceCalls(state, { type: 'unexplained', callId: 'call-1' })).toBe(state)
  })

  it('whose end nobody can tell is over all the same', () => {
    const state = after(hears(ringing()), snapshot([], 5_000), { type: 'unexplained', callId: 'call-1' })
    expect(focusOf(state, T0 + 5_000)).toBeNull()
    expect(state.notices).toEqual([{ kind: 'ended', callId: 'call-1', reason: null, byMe: false, wasTalking: false }])
  })

  it('a call that still rings goes on ringing', () => {
    expect(focusOf(after(hears(ringing()), snapshot([ringing()], 5_000)), T0 + 5_000)?.phase).toBe('incoming')
  })
})

describe('two calls', () => {
  const second = (version = 1) => ringing(version, { id: 'call-2', placed_at: at(500), expires_at: at(30_500) })

  it('the talk has the screen, the other waits beside it', () => {
    const state = after(hears(ringing()), hears(answeredBy(2, { device_id: ME, name: 'x' })), hears(second()))
    expect(focusOf(state, T0 + 3_000)?.known.call.id).toBe('call-1')
    expect(alsoRinging(state, T0 + 3_000).map((one) => one.call.id)).toEqual(['call-2'])
  })

  it('the older ring comes first', () => {
    const state = after(hears(second()), hears(ringing()))
    expect(focusOf(state, T0 + 1_000)?.known.call.id).toBe('call-1')
  })
})

describe('legOf', () => {
  const rows: [string, Call, LegState | null, LegState | null][] = [
    ['what the service says counts', ringing(1, { my_leg: 'declined' }), 'ringing', 'declined'],
    ['the list of legs counts', call(1, { legs: [{ device_id: ME, state: 'completed_elsewhere' }] }), 'ringing', 'completed_elsewhere'],
    ['ringing, nothing known', call(1), null, 'ringing'],
    ['ringing, declined before', call(1), 'declined', 'declined'],
    ['answered by me', answeredBy(2, { device_id: ME, name: 'x' }), 'ringing', 'answered'],
    ['answered by another', answeredBy(2, MUM), 'ringing', 'completed_elsewhere'],
    ['answered by another, declined before', answeredBy(2, MUM), 'declined', 'declined'],
    ['ended', ended(2, 'no_answer'), 'ringing', 'ended'],
    ['ended after another answered', ended(3, 'resident_hung_up'), 'completed_elsewhere', 'completed_elsewhere'],
  ]
  it.each(rows)('%s', (_name, one, before, expected) => {
    expect(legOf(one, before, ME)).toBe(expected)
  })
})
