/**
 * What this phone knows about calls, as a pure reducer: messages and the clock in, what to show and sound out.
 *
 * Three rules carry it: a version not newer than the last seen is ignored, nothing rings past `expires_at` whatever the
 * network does, and the snapshot after a reconnect is the truth about what is still going on.
 */
import type { Call, EndReason, Id, LegState } from '../shared/api-types'

/** What this person has asked for and the service has not settled yet. */
export type Wish = 'answer' | 'decline' | 'hang_up'

export interface KnownCall {
  call: Call
  leg: LegState | null
  wish: Wish | null
  /** This phone is done with the call, whatever comes: expired by its own clock, or lost, or no longer in the snapshot. */
  over: boolean
}

export type Notice =
  | { kind: 'answered_elsewhere'; callId: Id; name: string | null }
  | { kind: 'ended'; callId: Id; reason: EndReason | null; byMe: boolean; wasTalking: boolean }
  | { kind: 'declined_here'; callId: Id }
  | { kind: 'ring_over'; callId: Id }

export interface CallsState {
  deviceId: Id
  known: Readonly<Record<Id, KnownCall>>
  /** What to tell the person, oldest first; the page takes them out with `noticed`. */
  notices: readonly Notice[]
  /** Calls the last snapshot no longer had: their ends are worth asking for. */
  unexplained: readonly Id[]
}

export type CallEvent =
  | { type: 'snapshot'; calls: readonly Call[]; nowMs: number }
  | { type: 'call'; call: Call; nowMs: number }
  | { type: 'tick'; nowMs: number }
  | { type: 'wish'; callId: Id; wish: Wish | null }
  | { type: 'lost'; callId: Id; name: string | null }
  | { type: 'refused_ended'; callId: Id; reason: EndReason | null }
  | { type: 'unexplained'; callId: Id }
  | { type: 'noticed' }

export const emptyCalls = (deviceId: Id): CallsState => ({ deviceId, known: {}, notices: [], unexplained: [] })

/**
 * This phone's leg. A phone approved after the press has none yet: it rings like the others and gets one by saying so.
 * A message without any legs leaves what follows from the call and from what was known before.
 */
export function legOf(call: Call, before: LegState | null, deviceId: Id): LegState | null {
  const told = call.my_leg ?? call.legs?.find((leg) => leg.device_id === deviceId)?.state
  if (told) return told
  const settled = before === 'declined' || before === 'completed_elsewhere'
  switch (call.state) {
    case 'ringing':
      return before ?? 'ringing'
    case 'answered':
      if (call.answered_by?.device_id === deviceId) return 'answered'
      return settled ? before : 'completed_elsewhere'
    case 'ended':
      return settled ? before : 'ended'
  }
}

const ringsOn = (one: KnownCall, nowMs: number) =>
  one.call.state === 'ringing' && one.leg === 'ringing' && !one.over && nowMs < Date.parse(one.call.expires_at)

const talksOn = (one: KnownCall) => one.call.state === 'answered' && one.leg === 'answered' && !one.over

function noticeOf(before: KnownCall | undefined, after: KnownCall, deviceId: Id): Notice | null {
  if (!before || before.over) return null
  const rang = before.call.state === 'ringing' && before.leg === 'ringing'
  const talked = talksOn(before)
  const { call } = after
  if (rang && after.leg === 'completed_elsewhere') return { kind: 'answered_elsewhere', callId: call.id, name: call.answered_by?.name ?? null }
  if (rang && after.leg === 'declined' && call.state === 'ringing') return { kind: 'declined_here', callId: call.id }
  if ((rang || talked) && call.state === 'ended') {
    const byMe = call.ended_by?.device_id === deviceId || before.wish === 'hang_up' || before.wish === 'decline'
    return { kind: 'ended', callId: call.id, reason: call.end_reason, byMe, wasTalking: talked }
  }
  return null
}

function take(state: CallsState, call: Call, nowMs: number): CallsState {
  const before = state.known[call.id]
  if (before && call.version <= before.call.version) return state
  const leg = legOf(call, before?.leg ?? null, state.deviceId)
  const expired = call.state === 'ringing' && nowMs >= Date.parse(call.expires_at)
  const settled = call.state !== 'ringing' || leg !== 'ringing'
  const keepWish = before?.wish === 'hang_up' ? call.state !== 'ended' : !settled
  const after: KnownCall = {
    call,
    leg,
    wish: before && keepWish ? before.wish : null,
    // An answer by this very phone may arrive after its clock said "over": the answer is the truth.
    over: expired || call.state === 'ended' || (before?.over === true && leg !== 'answered'),
  }
  const notice = noticeOf(before, after, state.deviceId)
  return {
    ...state,
    known: { ...state.known, [call.id]: after },
    notices: notice ? [...state.notices, notice] : state.notices,
    unexplained: state.unexplained.filter((id) => id !== call.id),
  }
}

function change(state: CallsState, callId: Id, part: Partial<KnownCall>, notice?: Notice): CallsState {
  const before = state.known[callId]
  if (!before) return state
  return {
    ...state,
    known: { ...state.known, [callId]: { ...before, ...part } },
    notices: notice ? [...state.notices, notice] : state.notices,
  }
}

export function reduceCalls(state: CallsState, event: CallEvent): CallsState {
  switch (event.type) {
    case 'call':
      return take(state, event.call, event.nowMs)
    case 'snapshot': {
      let next = event.calls.reduce((all, call) => take(all, call, event.nowMs), state)
      const present = new Set(event.calls.map((call) => call.id))
      for (const one of Object.values(next.known)) {
        if (one.over || present.has(one.call.id)) continue
        if (!ringsOn(one, event.nowMs) && !talksOn(one)) continue
        // Silent at once (`focusOf` leaves it out); what became of it is asked for, and only then told.
        next = { ...next, unexplained: [...next.unexplained.filter((id) => id !== one.call.id), one.call.id] }
      }
      return next
    }
    case 'tick': {
      let next = state
      for (const one of Object.values(state.known)) {
        if (one.call.state !== 'ringing' || one.over || event.nowMs < Date.parse(one.call.expires_at)) continue
        const heard = one.leg === 'ringing'
        next = change(next, one.call.id, { over: true, wish: null }, heard ? { kind: 'ring_over', callId: one.call.id } : undefined)
      }
      return next
    }
    case 'wish':
      return change(state, event.callId, { wish: event.wish })
    case 'lost':
      if (state.known[event.callId]?.leg !== 'ringing') return change(state, event.callId, { wish: null })
      return change(
        state,
        event.callId,
        { leg: 'completed_elsewhere', wish: null },
        { kind: 'answered_elsewhere', callId: event.callId, name: event.name },
      )
    case 'refused_ended': {
      const before = state.known[event.callId]
      if (!before || before.over) return change(state, event.callId, { wish: null })
      const notice: Notice = { kind: 'ended', callId: event.callId, reason: event.reason, byMe: false, wasTalking: talksOn(before) }
      return change(state, event.callId, { over: true, wish: null }, notice)
    }
    case 'unexplained': {
      // Nobody could say how it ended: at least say that it did.
      const before = state.known[event.callId]
      if (!state.unexplained.includes(event.callId)) return state
      const next = { ...state, unexplained: state.unexplained.filter((id) => id !== event.callId) }
      if (!before || before.over) return next
      return change(next, event.callId, { over: true, wish: null }, { kind: 'ended', callId: event.callId, reason: null, byMe: false, wasTalking: talksOn(before) })
    }
    case 'noticed':
      return state.notices.length ? { ...state, notices: [] } : state
  }
}

export type Phase = 'incoming' | 'talking'

export interface Focus {
  phase: Phase
  known: KnownCall
}

/** The call the screen belongs to: the talk, or else the oldest call that rings here. */
export function focusOf(state: CallsState, nowMs: number): Focus | null {
  const alive = Object.values(state.known)
    .filter((one) => !state.unexplained.includes(one.call.id))
    .sort((a, b) => a.call.placed_at.localeCompare(b.call.placed_at))
  const talk = alive.find(talksOn)
  if (talk) return { phase: 'talking', known: talk }
  const ring = alive.find((one) => ringsOn(one, nowMs))
  return ring ? { phase: 'incoming', known: ring } : null
}

/** Calls that ring here beside the one in focus. */
export function alsoRinging(state: CallsState, nowMs: number): KnownCall[] {
  const focus = focusOf(state, nowMs)
  return Object.values(state.known).filter(
    (one) => ringsOn(one, nowMs) && one.call.id !== focus?.known.call.id && !state.unexplained.includes(one.call.id),
  )
}

/** Whether the ring tone sounds: a call rings here and this person has not chosen yet. */
export const sounds = (focus: Focus | null): boolean => focus?.phase === 'incoming' && focus.known.wish === null
